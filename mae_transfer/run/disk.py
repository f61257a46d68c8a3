"""Says in one sentence that a disk is full, read-only or gone, and what is left of the run."""

import errno
import logging
import sys
import threading
from pathlib import Path
from typing import TypeGuard

from mae_transfer.checkpoints.files.last_checkpoint import last_checkpoint

# What only writing can end with.
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
# What writing may end with, and reading, too.
LOST = {errno.EIO, errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.ESTALE}


class DiskError(OSError):
    """A file of a run cannot be written; the message is for the user."""


class WrittenFolder:
    """Turns errors of writing to a work dir, in this context, into a :class:`DiskError`.

    So it does for errors that would otherwise only be printed: those of log files, and those of
    threads. TensorBoard writes from one, and raises the error when the run logs the next time.

    Attributes:
        folder: The work dir; None, at first, means that nothing is written yet.
    """

    def __init__(self) -> None:
        self.folder: Path | None = None
        self._unseen: BaseException | None = None

    def __enter__(self) -> 'WrittenFolder':
        self._in_threads, threading.excepthook = threading.excepthook, self._note
        setattr(logging.FileHandler, 'handleError', lambda *args: self._raise(*args))  # noqa: B010
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        threading.excepthook = self._in_threads
        del logging.FileHandler.handleError  # which is inherited
        if error is None or isinstance(error, SystemExit):
            error = self._unseen or error
        if self._is_ours(error):
            raise DiskError(self._sentence(error)) from error

    def _note(self, args: threading.ExceptHookArgs) -> None:
        if self._is_ours(args.exc_value):
            self._unseen = args.exc_value
        else:
            self._in_threads(args)

    def _raise(self, handler: logging.FileHandler, record: logging.LogRecord) -> None:
        """Raise the error that a log file has just met, if it is one of the disk."""
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            error.filename = error.filename or handler.baseFilename
        if self._is_ours(error):
            raise error
        logging.Handler.handleError(handler, record)

    def _is_ours(self, error: BaseException | None) -> TypeGuard[OSError]:
        if not isinstance(error, OSError) or self.folder is None:
            return False
        if error.errno in FULL:
            return True
        path = Path(error.filename) if isinstance(error.filename, str) else None
        if path is None or error.errno not in LOST:
            return False
        return path.resolve().is_relative_to(self.folder.resolve())

    def _sentence(self, error: OSError) -> str:
        assert self.folder is not None, 'errors are ours once it is known'
        verb = 'write' if error.errno in FULL else 'use'
        chain = [error]  # closing the other files fails in the same way
        while isinstance(chain[-1].__context__, OSError):
            chain.append(chain[-1].__context__)
        named = [link.filename for link in reversed(chain) if link.filename]
        file = named[0] if named else f'a file in {self.folder}'
        try:
            left = f'the last whole checkpoint is {last_checkpoint(self.folder)}: --resume goes on'
            left += ' from it once the disk is in order'
        except OSError:
            left = f'{self.folder} has no checkpoint to go on from'
        return f'cannot {verb} {file}: {error.strerror}; {left}'


def write_error(error: OSError) -> str | None:
    """Return the sentence for a file that a tool cannot write, or None for other errors."""
    if error.errno in FULL or isinstance(error, PermissionError):
        return f'{error.filename or "cannot write"}: {error.strerror}'
    return None
