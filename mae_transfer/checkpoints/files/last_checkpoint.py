"""Finds the last checkpoint that a run wrote to its work dir."""

import os
from pathlib import Path

POINTER = 'last_checkpoint'  # MMEngine's: a text file with the path of the newest checkpoint


def last_checkpoint(work_dir: str | os.PathLike) -> Path:
    """Follow ``last_checkpoint``, even if the work dir was moved or copied.

    A checkpoint next to the pointer takes precedence: the path in a copied pointer may lead to the
    original run, or to a file written since. The ``out_dir`` of MMEngine's CheckpointHook can put
    the checkpoint elsewhere.

    Args:
        work_dir: Folder of a run. It contains ``POINTER`` if the run has written a checkpoint.

    Raises:
        FileNotFoundError: If there is no pointer, or the checkpoint that it names is neither next
            to it nor at the path given in it.
    """
    pointer = Path(work_dir, POINTER)
    if not pointer.is_file():
        raise FileNotFoundError(
            f'work_dir={str(work_dir)!r} contains no {POINTER}: give a folder in which a run has '
            'written a checkpoint, or the checkpoint itself'
        )
    name = pointer.read_text(encoding='utf-8', errors='replace').strip()
    beside = Path(work_dir, name.replace('\\', '/').rpartition('/')[2])
    for path in (beside, Path(name)):
        if path.is_file():
            return path
    raise FileNotFoundError(
        f'{pointer} names {name!r}, but {beside} does not exist: give the checkpoint itself'
    )
