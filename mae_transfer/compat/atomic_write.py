"""Writes files that are either complete or absent, even if a process is killed or a disk fills up.

The content is written to a temporary file next to the target, flushed to the disk, and renamed in
one step. :func:`install` makes MMEngine's local storage write this way, so every checkpoint that
any framework saves through it is complete.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from mmengine.fileio import LocalBackend, register_backend

TEMPORARY = '.tmp'  # suffix of an unfinished file; no reader mistakes it for a checkpoint


@contextmanager
def atomic_file(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """Open a file for writing; it gets its name once it is complete.

    Links are followed. An existing file at the path remains until then, and is kept if the body
    raises. A killed process leaves ``.NAME.PID.tmp``; :func:`remove_leftovers` removes it.

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
    temporary = path.with_name(f'.{path.name}.{os.getpid()}{TEMPORARY}')
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
    _sync_folder(path.parent)


def write_atomically(path: str | os.PathLike, content: bytes | str) -> None:
    """Write a file, text as UTF-8, in one step; see :func:`atomic_file`."""
    with atomic_file(path) as stream:
        stream.write(content.encode('utf-8') if isinstance(content, str) else content)


def remove_leftovers(folder: str | os.PathLike, pattern: str = '*') -> list[Path]:
    """Remove unfinished files that killed processes left in a folder.

    Args:
        folder: The folder; it need not exist.
        pattern: Pattern of their intended names, such as '*.pth'.

    Returns:
        The removed files.
    """
    leftovers = sorted(Path(folder).glob(f'.{pattern}.*{TEMPORARY}'))
    for path in leftovers:
        path.unlink(missing_ok=True)
    return leftovers


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
