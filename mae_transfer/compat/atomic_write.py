"""Writes files that are either complete or absent, even if a process is killed or a disk fills up.

The content is written to a temporary file next to the target, flushed to the disk, and renamed in
one step. :func:`install` makes MMEngine's local storage write this way, so every checkpoint that
any framework saves through it is complete.
"""

import errno
import os
import re
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from mmengine.fileio import LocalBackend, register_backend

from mae_transfer.processes.start_time import started_at

TEMPORARY = '.tmp'  # suffix of an unfinished file; no reader mistakes it for a checkpoint
# .NAME.WRITER.PID.RANDOM.tmp: who writes NAME; random, as a process of a container may have the
# number of one of another.
UNFINISHED = re.compile(r'\.(?P<name>.+)\.(?P<writer>[\w-]+)\.(?P<pid>\d+)\.[0-9a-f]{8}\.tmp')
_being_written: set[str] = set()  # names of unfinished files of this process
DAY = 24 * 3600.0  # after it, nobody is still writing a file


def _writer() -> str:
    """Name what the numbers of processes belong to: the host, and on Linux the container.

    Containers may share the name of their host, but not its numbers.
    """
    host = re.sub(r'[^\w-]', '-', socket.gethostname())
    try:
        return f'{host}-{os.stat("/proc/self/ns/pid").st_ino}'
    except OSError:  # no such thing on this system
        return host


@contextmanager
def atomic_file(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """Open a file for writing; it gets its name once it is complete.

    Links are followed. An existing file at the path remains until then, and is kept if the body
    raises. What a killed process leaves is named as in ``UNFINISHED``; :func:`remove_leftovers`
    removes it.

    Args:
        path: The file. Its folder must exist. Anything but a regular file (a pipe, /dev/stdout) is
            written to directly.

    Yields:
        A binary stream.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        with path.open('wb') as stream:
            yield stream
        return
    who = f'{_writer()}.{os.getpid()}.{secrets.token_hex(4)}'
    temporary = path.with_name(f'.{path.name}.{who}{TEMPORARY}')
    _being_written.add(temporary.name)
    try:
        with temporary.open('wb') as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (None, str(temporary)):
            error.filename = str(path)  # the system names no file when a write fails
        raise
    finally:
        _being_written.discard(temporary.name)
    _sync_folder(path.parent)


def write_atomically(path: str | os.PathLike, content: bytes | str) -> None:
    """Write a file, text as UTF-8, in one step; see :func:`atomic_file`."""
    with atomic_file(path) as stream:
        stream.write(content.encode('utf-8') if isinstance(content, str) else content)


def remove_leftovers(folder: str | os.PathLike, pattern: str = '*') -> list[Path]:
    """Remove unfinished files that killed processes left in a folder.

    The file of a process that may still be writing it stays: on this machine while there is a
    process of that number, elsewhere for a day.

    Args:
        folder: The folder; it need not exist.
        pattern: Pattern of their intended names, such as '*.pth'.

    Returns:
        The removed files.
    """
    leftovers = [
        path
        for path in sorted(Path(folder).glob(f'.{pattern}.*{TEMPORARY}'))
        if not _may_be_written(path)
    ]
    for path in leftovers:
        path.unlink(missing_ok=True)
    return leftovers


def _may_be_written(path: Path) -> bool:
    """Return whether the writer of an unfinished file may be alive."""
    written_by = UNFINISHED.fullmatch(path.name)
    if written_by and written_by['writer'] == _writer():
        pid = int(written_by['pid'])
        if pid == os.getpid():  # or of a former process with this number
            return path.name in _being_written
        if os.name == 'posix' and started_at(pid) is None:
            return False
    try:
        return time.time() - path.stat().st_mtime < DAY
    except FileNotFoundError:  # finished meanwhile
        return True


def _sync_folder(folder: Path) -> None:
    """Flush the new name to the disk, too, if the system can synchronize folders."""
    if os.name != 'posix':
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems
            raise
    finally:
        os.close(descriptor)


class AtomicLocalBackend(LocalBackend):
    """MMEngine's local storage with files that are complete or absent."""

    def put(self, obj: bytes, filepath: str | os.PathLike) -> None:
        """Write bytes; create the folder if needed."""
        Path(filepath).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(filepath, obj)

    def put_text(self, obj: str, filepath: str | os.PathLike, encoding: str = 'utf-8') -> None:
        """Write text; create the folder if needed."""
        self.put(obj.encode(encoding), filepath)


def install() -> None:
    """Make MMEngine write local files through :class:`AtomicLocalBackend`."""
    register_backend('local', AtomicLocalBackend, force=True, prefixes='')
