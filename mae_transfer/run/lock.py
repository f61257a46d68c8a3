"""Keeps two live runs out of one work dir, by a lock file that outlives no dead run for long.

The file says which process holds it, and that process touches it regularly. So a run that was
killed, whose lock stayed behind, does not keep the next one out: on the same machine its process is
looked for; a job that Slurm has started anew knows its own; and on another machine nothing touches
the file any more. File locks of the system are not used, as network file systems may ignore them.
"""

import json
import os
import secrets
import socket
import sys
import threading
import time
import warnings
from contextlib import ExitStack, suppress
from pathlib import Path

from mmengine.dist import broadcast_object_list

from mae_transfer.processes.start_time import started_at
from mae_transfer.run.processes import is_main_process, say

LOCK = 'run.lock'
BEAT = 20.0  # seconds between two touches
PATIENCE = 90.0  # seconds without a touch after which a holder elsewhere is taken for dead
LOOK = 2.0  # seconds between two looks at a file that somebody else may touch


class WorkDirLock:
    """Holds a work dir from entering to leaving this context, for all processes of a run.

    The first process takes the lock; the others wait for its verdict.

    Args:
        work_dir: Folder of the run; created if need be, and removed if nothing else was written.

    Raises:
        ValueError: On entering, on all processes: another run is alive in the folder.
    """

    def __init__(self, work_dir: str | os.PathLike) -> None:
        self.path = Path(work_dir, LOCK)
        self._undo = ExitStack()

    def __enter__(self) -> 'WorkDirLock':
        verdict: list[str | None] = [None]
        failure: OSError | None = None
        if is_main_process():
            try:
                verdict = [self._take()]
            except OSError as error:
                verdict, failure = [f'cannot write {self.path}: {error.strerror}'], error
        broadcast_object_list(verdict)
        if verdict[0] is not None:
            self._undo.close()
            raise ValueError(verdict[0]) from failure
        return self

    def __exit__(self, *failure: object) -> None:
        self._undo.close()

    def _take(self) -> str | None:
        """Take the lock; return why not, or None."""
        folder = self.path.parent
        if not folder.exists():
            folder.mkdir(parents=True)
            self._undo.callback(_remove_if_empty, folder)
        note = json.dumps(_note()) + '\n'
        while not _create(self.path, note):
            content = _read(self.path)
            if content is None:  # just released
                continue
            if is_alive(self.path, content):
                return (
                    f'work_dir={str(folder)!r} is in use by {_holder(content)}: wait for its end, '
                    'or choose another --work-dir'
                )
            if _move_away(self.path, content):
                say(f'took over {self.path} from {_holder(content)}, which is not alive any more')
        self._undo.callback(_release, self.path, note)
        ended = threading.Event()
        beat = threading.Thread(
            target=_beat, args=(self.path, note, ended), name='lock', daemon=True
        )
        beat.start()
        self._undo.callback(beat.join)
        self._undo.callback(ended.set)
        return None


def is_alive(path: Path, content: str) -> bool:
    """Return whether the run that wrote a lock is alive; this may take PATIENCE.

    Args:
        path: The lock.
        content: What it contained.
    """
    held, own = _parse(content), _note()
    if held.get('machine') == own['machine']:
        return started_at(held.get('pid', 0)) == held.get('started')
    if held.get('job') is not None and held['job'] == own['job'] and held['start'] != own['start']:
        return False  # Slurm starts a job anew only after its end
    say(f'{path} is held by {_holder(content)}: looking for up to {PATIENCE:.0f} s if it is alive')
    before, deadline = _touched(path), time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        time.sleep(LOOK)
        if _read(path) != content:
            return _read(path) is not None  # released, or taken over by a third run
        if _touched(path) != before:
            return True
    return False


def _note() -> dict:
    """What this process writes to its lock."""
    machine = [socket.gethostname()]
    for file in ('/proc/sys/kernel/random/boot_id', '/proc/self/ns/pid'):
        if os.path.islink(file):
            machine.append(os.readlink(file))
        elif os.path.exists(file):
            machine.append(Path(file).read_text().strip())
    return {
        'host': machine[0],
        'pid': os.getpid(),
        'since': time.strftime('%Y-%m-%d %H:%M:%S'),
        'command': ' '.join(sys.argv),
        'machine': machine,
        'started': started_at(os.getpid()),
        'job': os.environ.get('SLURM_JOB_ID'),
        'start': os.environ.get('SLURM_RESTART_COUNT', '0'),
        'token': secrets.token_hex(8),
    }


def _parse(content: str) -> dict:
    """Read a note; one that is cut short says nothing, so its holder is somewhere else."""
    with suppress(json.JSONDecodeError):
        note = json.loads(content)
        if isinstance(note, dict):
            return note
    return {}


def _holder(content: str) -> str:
    note = _parse(content)
    if not note:
        return 'a run that has left no name'
    return f'the run of process {note["pid"]} on {note["host"]}, started at {note["since"]}'


def _create(path: Path, note: str) -> bool:
    """Write a new lock; return False if there is one."""
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    except FileExistsError:
        return False
    try:
        os.write(descriptor, note.encode())
        os.fsync(descriptor)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    return True


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding='utf-8', errors='replace')
    except FileNotFoundError:
        return None


def _touched(path: Path) -> int:
    """Return the time of the last touch; opened, as network file systems then ask the server."""
    try:
        with path.open() as stream:
            return os.fstat(stream.fileno()).st_mtime_ns
    except FileNotFoundError:
        return -1


def _move_away(path: Path, content: str) -> bool:
    """Remove a dead run's lock; return False if somebody else was faster."""
    aside = path.with_name(f'.{path.name}.{os.getpid()}.{secrets.token_hex(4)}')
    try:
        os.rename(path, aside)
    except FileNotFoundError:
        return False
    if _read(aside) == content:
        aside.unlink()
        return True
    os.rename(aside, path)  # the lock of a third run, which has taken over in the meantime
    return False


def _release(path: Path, note: str) -> None:
    """Remove the own lock, and no other's."""
    if _read(path) == note:
        path.unlink(missing_ok=True)


def _beat(path: Path, note: str, ended: threading.Event) -> None:
    """Touch the lock until the run ends."""
    while not ended.wait(BEAT):
        content = _read(path)
        if content != note:
            by = 'removed' if content is None else f'taken over by {_holder(content)}'
            warnings.warn(
                f'{path} was {by}: another run may write to the same work dir', stacklevel=1
            )
            return
        os.utime(path)


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
