"""How a process ends because of an error, with our launcher, with another one and alone."""

import json
import os
import re
import signal
import time

import pytest

from mae_transfer.compat.distributed import MissingProcessError
from mae_transfer.processes.launcher import ERROR_FILE, LAUNCHER_PID, has_own_launcher
from mae_transfer.processes.signal_watch import RunStopped
from mae_transfer.run import rank_errors
from mae_transfer.run.errors import run_tool

LOST = RuntimeError('[gloo/transport/tcp/pair.cc:547] Connection closed by peer')


def fail(error: Exception):
    def tool() -> None:
        raise error

    return tool


@pytest.fixture
def told(tmp_path, monkeypatch):
    """Be the second process of a run of our launcher; returns what it was told."""
    file = tmp_path / 'error.json'
    monkeypatch.setenv('RANK', '1')
    monkeypatch.setenv(ERROR_FILE, str(file))
    monkeypatch.setenv(LAUNCHER_PID, str(os.getppid()))
    return lambda: json.loads(file.read_text())


def code_of(error: Exception, debug: bool = False) -> int:
    with pytest.raises(SystemExit) as stop:
        run_tool(fail(error), debug)
    return stop.value.code


@pytest.mark.parametrize(
    ('error', 'code', 'role', 'text'),
    [
        (FileNotFoundError('no such data'), 2, 'cause', 'no such data'),
        (ZeroDivisionError('boom'), 1, 'cause', '\nTraceback .*ZeroDivisionError: boom$'),
        (LOST, 1, 'consequence', 'another process has ended or does not answer$'),
        (MissingProcessError('process 0 of 2'), 4, 'run', 'process 0 of 2$'),
    ],
)
def test_run_tool__tells_our_launcher_and_prints_nothing(capfd, told, error, code, role, text):
    assert code_of(error) == code
    assert told()['role'] == role
    assert re.match(text, told()['text'], re.DOTALL)
    assert capfd.readouterr().err == ''


def test_run_tool__debug_tells_the_traceback(told):
    assert code_of(FileNotFoundError('no such data'), debug=True) == 1
    assert 'Traceback' in told()['text']


def test_run_tool__of_another_launcher_prints_a_lost_connection_as_one_line(monkeypatch, capfd):
    monkeypatch.setenv('RANK', '1')
    assert code_of(LOST) == 1
    error = capfd.readouterr().err
    assert error == 'error (process 1): another process has ended or does not answer\n'


def test_run_tool__alone_keeps_the_traceback_of_a_bug():
    with pytest.raises(ZeroDivisionError) as caught:
        run_tool(fail(ZeroDivisionError('boom')))
    names = [entry.name for entry in caught.traceback]
    assert names.count('run_tool') == 1 and 'end_with_error' not in names


def test_run_tool__a_signal_that_others_take_for_an_error_stays_one(capfd, monkeypatch):
    """MMEngine takes whatever ends the formatting of a config for a wrong one."""
    monkeypatch.setattr(signal, 'SIGCHLD', signal.SIGURG)  # as PyTorch's, that fails at any worker
    before = signal.signal(signal.SIGURG, lambda number, frame: 1 / 0)
    seen = []

    def tool() -> None:
        try:
            os.kill(os.getpid(), signal.SIGUSR1)
            time.sleep(5)
        except BaseException:
            seen.append(signal.getsignal(signal.SIGURG))
            raise SyntaxError('Failed to format the config file') from None

    with pytest.raises(RunStopped) as stop:
        run_tool(tool)
    assert stop.value.code == 128 + signal.SIGUSR1 and stop.value.__suppress_context__
    assert capfd.readouterr().err == 'stopped by SIGUSR1\n'
    assert signal.signal(signal.SIGURG, before) not in (signal.SIG_DFL, None)
    assert seen == [signal.SIG_DFL]


def test_run_tool__ends_at_once_when_it_has_joined_others(monkeypatch, capfd):
    """An orderly end may wait for them."""
    ends = []

    def end(code):
        ends.append(code)
        raise SystemExit(code)

    monkeypatch.setattr(rank_errors, 'has_process_group', lambda: True)
    monkeypatch.setattr(rank_errors, 'end_process', end)
    assert code_of(ZeroDivisionError('boom')) == 1 and ends == [1]
    assert capfd.readouterr().err.endswith('ZeroDivisionError: boom\n')


def test_has_own_launcher__only_of_its_own_processes(monkeypatch):
    """Not of those that they start, and not once it is gone."""
    monkeypatch.delenv(LAUNCHER_PID, raising=False)
    assert not has_own_launcher()
    monkeypatch.setenv(LAUNCHER_PID, str(os.getpid()))
    assert not has_own_launcher()
    monkeypatch.setenv(LAUNCHER_PID, str(os.getppid()))
    assert has_own_launcher()
