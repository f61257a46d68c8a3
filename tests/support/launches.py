"""Starts the launcher with processes that import nothing slow, and watches what becomes of them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.support.ranks import free_port
from tests.support.tools import TOOLS

LAUNCH = TOOLS.parent / 'mae_transfer' / 'run' / 'launch.py'
STUB = Path(__file__).with_name('stub_rank.py')
OF_A_RUN = (
    'RANK', 'LOCAL_RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT', 'PORT', 'NNODES', 'NODE_RANK',
)  # fmt: skip


def plain_environment(**more: str) -> dict[str, str]:
    """The environment without what a launcher would set."""
    kept = {name: value for name, value in os.environ.items() if name not in OF_A_RUN}
    return {**kept, 'PYTHON': sys.executable, **more}


def is_alive(pid: int) -> bool:
    """Whether a process exists and has not ended; one that nobody waited for has."""
    try:
        stat = Path(f'/proc/{pid}/stat').read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(')')[2].split()[0] not in 'ZX'


def wait_until(condition, timeout_s: float = 30.0) -> bool:
    """Wait for a condition; returns whether it came true."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())


class Launch:
    """A launcher and its stub processes.

    Args:
        folder: Where the processes leave their notes.
        actions: What each process does, see stub_rank.py.
        options: Arguments of the launcher.
        first: Rank of the first process that this launcher starts.
    """

    def __init__(
        self, folder: Path, *actions: str, options: tuple[str, ...] = (), count: int | None = None,
        first: int = 0,
    ) -> None:  # fmt: skip
        self.folder = folder
        count = len(actions) if count is None else count
        self.ranks = range(first, first + count)
        self.process = subprocess.Popen(
            [sys.executable, '-I', LAUNCH, '--processes', str(count), *options, STUB, folder,
             *actions],
            env=plain_environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    @classmethod
    def of_two_machines(cls, folder: Path) -> 'list[Launch]':
        """Start a launcher of two processes for each of two machines, which are this one."""
        shared = ('--nodes', '2', '--port', free_port())
        return [
            cls(folder, *['stop+wait'] * 4, count=2, first=2 * node,
                options=(*shared, '--node-rank', str(node)))
            for node in range(2)
        ]  # fmt: skip

    def ready(self) -> 'Launch':
        """Wait until all processes do what they are to do."""
        files = [self.folder / f'{rank}.pids' for rank in self.ranks]
        assert wait_until(lambda: all(file.exists() for file in files)), 'not started'
        return self

    def send(self, number: int) -> 'Launch':
        """Send a signal to the launcher, and give it time to pass it on."""
        self.process.send_signal(number)
        time.sleep(0.15)
        return self

    def end(self, timeout_s: float = 30.0) -> tuple[int, str]:
        """Wait for the launcher; returns its exit code and what it printed to stderr."""
        try:
            _, error = self.process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return self.process.returncode, error

    def left(self) -> list[int]:
        """The processes that are still running, after some time to end."""
        pids = [
            int(pid)
            for rank in self.ranks
            for pid in (self.folder / f'{rank}.pids').read_text().split()
        ]
        wait_until(lambda: not any(map(is_alive, pids)), 5.0)
        alive = [pid for pid in pids if is_alive(pid)]
        for pid in alive:
            os.kill(pid, signal.SIGKILL)
        return alive

    def signals(self) -> list[str]:
        """The signals that each process got."""
        return [
            file.read_text().strip() if file.exists() else ''
            for file in (self.folder / f'{rank}.signals' for rank in self.ranks)
        ]


__all__ = ['LAUNCH', 'STUB', 'Launch', 'free_port', 'is_alive', 'plain_environment', 'wait_until']
