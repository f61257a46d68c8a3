"""The command ``mae-transfer``: one table of tools, usable where the package cannot be imported."""

import subprocess
import sys
from pathlib import Path

import pytest

import mae_transfer_command as command

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command in this process; returns (exit code, stdout, stderr)."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, 'argv', ['/usr/bin/mae-transfer', *arguments])
        try:
            code = command.main() or 0
        except SystemExit as stop:
            code = stop.code or 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_commands__are_all_tools():
    tools = {path.name for path in (ROOT / 'tools').glob('*.py')}
    assert set(command.COMMANDS.values()) == tools


def test_help__lists_every_command_with_the_first_line_of_its_tool(run):
    for arguments in ([], ['--help']):
        code, out, _ = run(*arguments)
        assert code == 0
        lines = dict(line.split(maxsplit=1) for line in out.splitlines() if line.startswith('  '))
        assert list(lines) == list(command.COMMANDS)
        assert lines['test'] == 'Evaluate a checkpoint on the test data of a config, for any task.'


def test_version__is_that_of_the_package(run):
    from mae_transfer import __version__

    assert run('--version') == (0, f'mae-transfer {__version__}\n', '')


def test_usage__names_the_command(run):
    code, out, _ = run('print-config', '--help')
    assert code == 0
    assert out.startswith('usage: mae-transfer print-config [-h]')


def test_arguments__reach_the_tool(run):
    code, _, err = run('print-config', 'configs/nowhere.py')
    assert code == 2
    assert err.startswith("error: CONFIG: there is no file 'configs/nowhere.py'")


def test_wrong_name__says_the_closest(run):
    code, out, err = run('trian', '--amp')
    assert (code, out) == (2, '')
    assert err.startswith("error: there is no command 'trian'; the closest are train;")


@pytest.mark.slow
def test_package__runs_as_a_module():
    done = subprocess.run(
        [sys.executable, '-m', 'mae_transfer', '--version'],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert done.stdout.startswith('mae-transfer ')


def bare_python(*arguments: str) -> subprocess.CompletedProcess:
    """Run the command as if nothing were installed: -S leaves out all packages."""
    return subprocess.run(
        [sys.executable, '-S', ROOT / 'mae_transfer_command.py', *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_bare_python__other_commands_say_what_is_missing_and_what_to_do():
    done = bare_python('train', 'x.py')
    assert done.returncode == 2
    assert done.stderr.startswith('error: mae_transfer cannot start')
    assert 'Run `mae-transfer doctor` for details' in done.stderr
    assert 'Traceback' not in done.stderr


@pytest.mark.slow  # its two ranks find torch
def test_bare_python__doctor_runs():
    done = bare_python('doctor')
    assert done.returncode == 1
    assert 'Traceback' not in done.stderr
    assert 'BROKEN  packaging' in done.stdout
    assert 'BROKEN  NMS' in done.stdout
    assert 'pip install' in done.stdout
