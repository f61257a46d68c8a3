"""Keeps the workers of a data loader alive while their run ends at a signal.

Ctrl-C, a closed terminal, Slurm and ``kill -- -GROUP`` signal the workers, too, and a training
whose worker has died fails in the middle of its step.
"""

import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Collection
from functools import partial

from torch.utils.data import DataLoader
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from mae_transfer.processes.signal_watch import SIGNALS

LOOK = 1.0  # seconds between two looks at whether the parent is still there


def protect_workers(loader: DataLoader) -> None:
    """Let the workers of a loader ignore signals, as the training that they serve ends them.

    Args:
        loader: A loader whose workers start later; changed in place.
    """
    if loader.num_workers:
        loader.worker_init_fn = partial(_start_worker, loader.worker_init_fn)


def _start_worker(former: Callable[[int], None] | None, worker_id: int) -> None:
    """Protect this worker, then start it as the loader would have done."""
    leave_signals_to_parent()
    if former is not None:
        former(worker_id)


def end_workers(others: Collection[int] = ()) -> None:
    """End the workers of the data loaders of a run, which is over.

    When Python collects a loader and its runner together, the queues may go first: the workers are
    then not told, and PyTorch waits five seconds for each of them. A worker that a signal has ended
    before, as Ctrl-C does where nothing protects it, is no error any more.

    Args:
        others: Process ids of child processes that belong to others and go on.
    """
    if {child.pid for child in multiprocessing.active_children()} <= set(others):
        return
    in_main = threading.current_thread() is threading.main_thread()
    noticed = in_main and hasattr(signal, 'SIGCHLD')  # PyTorch raises the error from its handler
    former = signal.signal(signal.SIGCHLD, signal.SIG_DFL) if noticed else None
    try:
        for thing in gc.get_objects():
            if issubclass(type(thing), _MultiProcessingDataLoaderIter):
                if not any(worker.pid in others for worker in thing._workers):
                    thing._shutdown_workers()
    finally:
        if former is not None:
            signal.signal(signal.SIGCHLD, former)


def leave_signals_to_parent() -> None:
    """Ignore signals of all but the parent process, and end soon after it."""
    for number in SIGNALS:
        if number != signal.SIGTERM:
            signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, 'sigtimedwait'):  # absent on macOS, where SIGTERM still ends a worker
        # PyTorch ends a worker with SIGTERM. Blocked, the signal waits for the thread, which sees
        # who has sent it; a handler in Python would not.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_obey, args=(os.getppid(),), name='signals', daemon=True).start()


def _obey(parent: int) -> None:
    """End this process when its parent says so or is gone."""
    while os.getppid() == parent:
        info = signal.sigtimedwait({signal.SIGTERM}, LOOK)
        if info is not None and info.si_pid == parent:
            os._exit(0)
    os._exit(1)
