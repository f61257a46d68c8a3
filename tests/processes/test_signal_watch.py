"""Signals in a forked process, which they may end."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable

import pytest

from mae_transfer.processes import signal_watch
from mae_transfer.processes.signal_watch import RunStopped, start_watch, stop_watch

FORK = multiprocessing.get_context('fork')
AS_RAISED = 77  # exit code of a process in which the signal was an exception


@pytest.fixture
def ended() -> Callable[..., int]:
    """Run a function with a watch in a process of its own; returns its exit code."""

    def run(function: Callable[[], None], at_once: bool) -> int:
        process = FORK.Process(target=_run, args=(function, at_once))
        process.start()
        process.join(30)
        assert process.exitcode is not None
        return process.exitcode

    return run


def _run(function: Callable[[], None], at_once: bool) -> None:
    for number in signal_watch.SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    watch = start_watch()
    assert watch is not None
    watch.at_once = at_once
    try:
        function()
    except RunStopped:
        os._exit(AS_RAISED)
    os._exit(watch.noted)


def send(*numbers: int, pause: float = 0.0) -> None:
    for number in numbers:
        os.kill(os.getpid(), number)
        time.sleep(pause)


def test_watch__notes_the_first_signal(ended):
    assert ended(lambda: send(signal.SIGHUP), at_once=False) == signal.SIGHUP


def test_watch__ends_at_the_second_one_with_its_code(ended, monkeypatch):
    monkeypatch.setattr(signal_watch, 'TWICE', 0.05)
    two = lambda: send(signal.SIGTERM, signal.SIGINT, pause=0.2)  # noqa: E731
    assert ended(two, at_once=False) == 130
    monkeypatch.setattr(signal_watch, 'TWICE', 10.0)  # one Ctrl-C that came twice
    assert ended(two, at_once=False) == signal.SIGTERM


def test_watch__raises_where_no_training_notes_it(ended):
    assert ended(lambda: send(signal.SIGUSR1, pause=1.0), at_once=True) == AS_RAISED


def wait_in_foreign_code() -> None:
    """Block the signal's handler, as a collective operation that waits for a lost process."""
    thread = threading.Thread(target=send, args=(signal.SIGTERM, signal.SIGTERM, 15), kwargs={
        'pause': 0.2})  # fmt: skip
    thread.start()
    # Python code of the main thread runs no more, and the interpreter is free for other threads.
    signal.pthread_sigmask(signal.SIG_BLOCK, ())
    ctypes_sleep(5)


def ctypes_sleep(seconds: int) -> None:
    import ctypes

    libc = ctypes.CDLL(None)
    left = seconds
    while left:
        left = libc.sleep(left)


@pytest.mark.parametrize('at_once', [False, True])
def test_watch__ends_a_process_that_waits_in_foreign_code(ended, monkeypatch, at_once):
    monkeypatch.setattr(signal_watch, 'TWICE', 0.05)
    start = time.monotonic()
    assert ended(wait_in_foreign_code, at_once) in (143, AS_RAISED) and time.monotonic() - start < 4


def test_watch__takes_children_along(ended, monkeypatch, tmp_path):
    monkeypatch.setattr(signal_watch, 'TWICE', 0.05)

    def with_child() -> None:
        child = FORK.Process(target=time.sleep, args=(60,), daemon=True)
        child.start()
        (tmp_path / 'pid').write_text(str(child.pid))
        send(signal.SIGTERM, signal.SIGTERM, pause=0.2)

    assert ended(with_child, at_once=False) == 143
    pid = int((tmp_path / 'pid').read_text())
    deadline = time.monotonic() + 5
    while os.path.exists(f'/proc/{pid}') and time.monotonic() < deadline:
        with open(f'/proc/{pid}/stat') as stat:
            if ') Z' in stat.read():
                break
        time.sleep(0.01)
    else:
        assert not os.path.exists(f'/proc/{pid}')


def test_watch__leaves_an_ignored_signal_alone():
    """As nohup ignores SIGHUP."""
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        watch = start_watch()
        os.kill(os.getpid(), signal.SIGHUP)
        assert watch.noted == 0 and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        stop_watch()
        signal.signal(signal.SIGHUP, former)


def test_watch__a_forked_child_can_be_terminated():
    """It inherits the handlers; a signal to it is none to its parent."""
    watch = start_watch()
    try:
        watch.at_once = False
        running = FORK.Event()
        child = FORK.Process(target=lambda: (running.set(), time.sleep(60)))
        child.start()
        assert running.wait(30)
        os.kill(child.pid, signal.SIGINT)
        child.terminate()
        child.join(10)
        time.sleep(0.05)
        assert child.exitcode == -signal.SIGTERM and watch.noted == 0
    finally:
        stop_watch()


def test_watch__stops_while_a_forked_child_lives():
    """The child has both ends of the pipe, as data workers have."""
    start_watch()
    child = FORK.Process(target=time.sleep, args=(60,))
    child.start()
    stopped = threading.Event()
    killer = threading.Thread(target=lambda: (stopped.wait(10), child.kill()))
    killer.start()  # ends the child if the next line waits for that
    stop_watch()
    assert child.is_alive()
    stopped.set()
    killer.join()


def test_watch__warns_in_another_thread():
    with pytest.warns(UserWarning, match='not in the main thread'):
        thread = threading.Thread(target=start_watch)
        thread.start()
        thread.join()
