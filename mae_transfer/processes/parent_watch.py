"""Stops a process of a run when the program that started it is gone.

torchrun and Slurm's step daemon that are killed leave the processes of a run behind: they would go
on training, and keep GPUs and ports. Here a thread sees that the process has another parent, and
sends the process SIGTERM, at which a training ends with a checkpoint.

The kernel can send this signal by itself (``PR_SET_PDEATHSIG``), as our own launcher asks it to.
That also happens when only the thread ends that started the process, and how other launchers use
threads is not known.
"""

import os
import signal
import threading

CHECK_EVERY_S = 1.0


class ParentWatch:
    """A thread that looks whether this process still has the parent that it had at the start."""

    def __init__(self) -> None:
        self._stopped = threading.Event()

    def start(self) -> None:
        """Start the thread; it ends with the process, or by :meth:`stop`."""
        self.stop()
        self._stopped = threading.Event()
        arguments = (os.getppid(), self._stopped)
        threading.Thread(target=_watch, args=arguments, daemon=True, name='parent watch').start()

    def stop(self) -> None:
        """Stop the thread, if there is one."""
        self._stopped.set()


def _watch(parent: int, stopped: threading.Event) -> None:
    while not stopped.wait(CHECK_EVERY_S):
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)
            return
