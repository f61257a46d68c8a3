"""Counts the samples that could not be read, over all workers, and lists their files once."""

import fcntl
import math
import os
from collections.abc import Mapping

import torch
from torch.utils.data import get_worker_info

FILE = 'bad_files.txt'
DEFAULT_SHARE = 0.01
JUDGED_FROM = 100  # draws, or one pass over fewer samples


def max_bad_share(cfg: Mapping) -> float:
    """Read the share of unreadable samples above which a run stops.

    Args:
        cfg: The whole config; its `data` block may have `max_bad_share`.

    Raises:
        ValueError: It is no number from 0 to below 1.
    """
    share = (cfg.get('data') or {}).get('max_bad_share')
    if share is None:
        return DEFAULT_SHARE
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < 1:
        raise ValueError(
            f'data.max_bad_share={share!r}: must be a number from 0, which stops at the first '
            'picture that cannot be read, to below 1'
        )
    return float(share)


def are_too_many(bad: int, draws: int, samples: int, share: float) -> bool:
    """Return whether more samples were unreadable than a share of a data set.

    Before one pass over the data, twice the standard deviation of chance is allowed for: of 100
    draws, two may be bad where one picture in 200 is. After that each pass has met every bad file,
    so the share of whole passes, the one that has begun among them, decides.

    Args:
        bad: Draws that hit a file that could not be read.
        draws: All draws.
        samples: Length of the data set.
        share: Share of bad draws that is allowed.
    """
    if draws < samples:
        allowed = share * draws + 2 * math.sqrt(share * draws)
    else:
        allowed = share * samples * math.ceil(draws / max(samples, 1))
    return bad > allowed


class BadFiles:
    """Counters that the workers of a data loader share, and the list of files in the work dir.

    Each worker counts in a row of its own, so that no draw waits for another. The list has a line
    `path<TAB>reason` for each file, whichever worker or process of the run met it first.

    Args:
        path: File of the list.
        workers: Workers of the data loader.
    """

    def __init__(self, path: str | os.PathLike, workers: int = 0) -> None:
        self.path = str(path)
        self.counts = torch.zeros(workers + 1, 2, dtype=torch.int64)
        if workers:
            self.counts.share_memory_()
        self._listed: dict[str, str] = {}
        self._read_bytes = 0

    def count(self, bad: bool) -> None:
        """Count one draw."""
        worker = get_worker_info()
        row = self.counts.numpy()[0 if worker is None else worker.id + 1]  # the same memory
        row += (1, bad)

    def totals(self) -> tuple[int, int]:
        """Return all draws of this process and its workers so far, and how many were bad."""
        draws, bad = self.counts.sum(0).tolist()
        return draws, bad

    def add(self, path: str, reason: str) -> None:
        """List a file, unless it is listed."""
        if path in self._listed:
            return
        reason = ' '.join(reason.split())  # in one line
        os.makedirs(os.path.dirname(self.path) or '.', exist_ok=True)
        with open(self.path, 'ab+') as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # another process may be adding the same file
            self._read(file)
            if path not in self._listed:
                file.write(f'{path}\t{reason}\n'.encode('utf-8', 'surrogateescape'))
                file.flush()
                self._listed[path] = reason

    def listed(self) -> dict[str, str]:
        """Return the listed files and their reasons, in the order in which they were met."""
        if not os.path.exists(self.path):
            return {}
        with open(self.path, 'rb') as file:
            self._read(file)
        return self._listed

    def _read(self, file) -> None:
        """Read the lines that were added since the last time."""
        file.seek(self._read_bytes)
        for line in file.readlines():
            path, _, reason = line.decode('utf-8', 'surrogateescape').rstrip('\n').partition('\t')
            self._listed.setdefault(path, reason)
        self._read_bytes = file.tell()

    def forget(self) -> None:
        """Remove the list of an earlier run."""
        if os.path.exists(self.path):
            os.remove(self.path)
        self._listed, self._read_bytes = {}, 0
