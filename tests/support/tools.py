"""Ways to start the tools: in this process, or in one of their own as a user would."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import mae_transfer_command

REPO = Path(__file__).resolve().parents[2]
TOOLS = REPO / 'tools'
CONFIGS = REPO / 'tests' / 'configs'


def load_tool(name: str) -> ModuleType:
    """Import tools/NAME.py under a name that shadows nothing."""
    return mae_transfer_command.load_tool(TOOLS / f'{name}.py')


@pytest.fixture
def run_main(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, tmp_path: Path
) -> Callable[..., tuple[int, str, str]]:
    """Run a tool in this process, in an empty folder; returns (exit code, stdout, stderr)."""

    def run(name: str, *arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, 'argv', [name, *map(str, arguments)])
        code = 0
        try:
            load_tool(name).main()
        except SystemExit as stop:
            code = stop.code or 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def start(*command: str | Path, cwd: Path) -> subprocess.Popen[str]:
    """Start a tool as a user would, with one thread a process."""
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHON': sys.executable}
    for name in ('PORT', 'MASTER_PORT', 'RANK', 'WORLD_SIZE', 'LOCAL_RANK'):
        environment.pop(name, None)
    return subprocess.Popen(
        list(map(str, command)), cwd=cwd, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for a tool and return what it printed; it must have succeeded."""
    output, _ = process.communicate(timeout=900)
    assert process.returncode == 0, output[-4000:]
    return output
