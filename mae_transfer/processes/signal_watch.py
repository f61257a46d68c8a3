"""Notes the signals that ask a process to end, and ends it at once at the second of them.

Python runs a handler only when the main thread is back in the interpreter, so a process that waits
inside a collective operation would not end at any signal once it has handlers. The system's own
part of each signal therefore writes a byte to a pipe (``signal.set_wakeup_fd``), and a thread reads
them: it ends the process at the second signal, wherever the main thread is.
"""

import multiprocessing
import os
import select
import signal
import sys
import threading
import time
import warnings
from typing import Any

# A time limit or preemption, Ctrl-C, an announced time limit, a closed terminal.
SIGNALS = tuple(
    getattr(signal, name)
    for name in ('SIGTERM', 'SIGINT', 'SIGUSR1', 'SIGHUP')
    if hasattr(signal, name)
)
TWICE = 0.3  # seconds: one Ctrl-C may come from the terminal and from the launcher
END = b'\0'  # no signal has this number
PATIENCE = 10.0  # seconds for the exception of a process that is to end at once

_watch: 'SignalWatch | None' = None


class RunStopped(SystemExit):
    """Ends a run, and with it the process, because of a signal.

    As a ``SystemExit`` it passes every ``except Exception``, and a script that does not catch it
    ends with the exit code that shells give to the signal. A notebook goes on.

    Attributes:
        signal_number: The signal.
        checkpoint: What the run goes on from with `--resume`, or None.
        code: The exit code: 128 + the signal.
    """

    def __init__(self, signal_number: int, sentence: str, checkpoint: str | None = None) -> None:
        super().__init__(128 + signal_number)
        self.signal_number = signal_number
        self.sentence = sentence
        self.checkpoint = checkpoint

    def __str__(self) -> str:
        return self.sentence


class SignalWatch:
    """What a process does at ``SIGNALS``; one that it ignores already, as by nohup, stays ignored.

    The first signal raises :class:`RunStopped` in the main thread, at once; or it is only noted,
    while a training is going on that looks at ``noted`` after each step. The second one, or the
    first if its exception has not ended the process in some seconds, ends the process and its
    children from another thread.

    Attributes:
        noted: Number of the first signal, or 0.
        at_once: Whether to raise; False = only to note.
    """

    def __init__(self) -> None:
        self.noted = 0
        self.at_once = True
        self._pid = os.getpid()
        self._at_child: Any = None  # the handler of ended children, once it is put aside
        handlers = {number: signal.getsignal(number) for number in SIGNALS}
        self._former = {
            number: handler
            for number, handler in handlers.items()
            if handler not in (signal.SIG_IGN, None)  # None: not set from Python
        }
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._former_fd = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in self._former:
            signal.signal(number, self._handle)
        self._thread = threading.Thread(target=self._read, name='signals', daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Restore the former handlers."""
        signal.set_wakeup_fd(self._former_fd)
        if self._at_child is not None:
            signal.signal(signal.SIGCHLD, self._at_child)
        for number, handler in self._former.items():
            if signal.getsignal(number) == self._handle:  # nobody has replaced ours
                signal.signal(number, handler)
        os.write(self._writer, END)  # closing it is not enough: forked data workers have it, too
        self._thread.join()
        os.close(self._writer)
        os.close(self._reader)

    def _handle(self, number: int, frame: object) -> None:
        """Note the signal, in the main thread, between two instructions of whatever it does."""
        if self.noted or os.getpid() != self._pid:  # a forked child inherits the handlers
            return
        self.noted = number
        if self.at_once:
            sentence = f'stopped by {name_of(number)}'
            print(sentence, file=sys.stderr, flush=True)
            if hasattr(signal, 'SIGCHLD'):  # PyTorch's handler: data workers may have got it, too
                self._at_child = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            raise RunStopped(number, sentence)

    def _read(self) -> None:
        """Wait for signals in a thread of its own."""
        first, since, impatient = 0, 0.0, False
        while True:
            ready, _, _ = select.select([self._reader], [], [], PATIENCE if impatient else None)
            if not ready:
                self._end(first, f'stopped by {name_of(first)}, without cleaning up')
            received = os.read(self._reader, 1)
            if received == END:
                return
            number = received[0]
            if number not in self._former:  # such as the end of a data worker
                continue
            if not first:
                first, since, impatient = number, time.monotonic(), self.at_once
                self.noted = self.noted or (0 if self.at_once else number)
            elif time.monotonic() - since > TWICE:
                self._end(number, f'stopped at once by a second signal, {name_of(number)}')

    def _end(self, number: int, sentence: str) -> None:
        """End this process and its children."""
        try:
            os.write(sys.stderr.fileno(), f'{sentence}\n'.encode())
            for child in multiprocessing.active_children():
                child.kill()
        finally:
            os._exit(128 + number)


def active_watch() -> SignalWatch | None:
    """Return the watch of this process, if it has one."""
    return _watch


def start_watch() -> SignalWatch | None:
    """Return the watch of this process, started if need be; None in another thread than the first.

    Python handles signals in the main thread alone; a run in another one is warned that signals
    will end it without a checkpoint.
    """
    global _watch
    if _watch is None or _watch._pid != os.getpid():
        if threading.current_thread() is not threading.main_thread():
            warnings.warn(
                'this run is not in the main thread of its process, so a signal (SIGTERM, Ctrl-C) '
                'ends it without a checkpoint',
                stacklevel=2,
            )
            return None
        _watch = SignalWatch()
    return _watch


def stop_watch() -> None:
    """Restore what signals did before :func:`start_watch`."""
    global _watch
    if _watch is not None:
        _watch.stop()
        _watch = None


def name_of(number: int) -> str:
    """Return the name of a signal, such as SIGTERM."""
    return signal.Signals(number).name


def _leave_to_parent() -> None:
    """In a forked child: write nothing to the parent's pipe, and let SIGTERM end the child."""
    if _watch is not None:
        signal.set_wakeup_fd(-1)
        if signal.SIGTERM in _watch._former:
            signal.signal(signal.SIGTERM, _watch._former[signal.SIGTERM])


if hasattr(os, 'register_at_fork'):
    os.register_at_fork(after_in_child=_leave_to_parent)
