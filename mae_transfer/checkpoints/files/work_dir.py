"""Finds the checkpoint that a run wrote last, in its work dir."""

import os
from pathlib import Path

POINTER = 'last_checkpoint'  # MMEngine's: a text file with the path of the newest checkpoint


def last_checkpoint(work_dir: str | os.PathLike) -> Path:
    """Follow ``last_checkpoint``, also when the work dir was moved or copied.

    The checkpoint beside the pointer counts first: what a copied pointer names may be a file of the
    run that it was copied from, or one that was written since. Elsewhere it may lie by the
    ``out_dir`` of MMEngine's CheckpointHook.

    Args:
        work_dir: Folder of a run. ``POINTER`` in it tells whether the run has written a checkpoint.

    Raises:
        FileNotFoundError: If there is no pointer, or the checkpoint that it names is neither beside
            it nor where it says.
    """
    pointer = Path(work_dir, POINTER)
    if not pointer.is_file():
        raise FileNotFoundError(
            f'work_dir={str(work_dir)!r} holds no {POINTER}: give a folder in which a run has '
            'written a checkpoint, or the checkpoint itself'
        )
    name = pointer.read_text(encoding='utf-8', errors='replace').strip()
    beside = Path(work_dir, name.replace('\\', '/').rpartition('/')[2])
    for path in (beside, Path(name)):
        if path.is_file():
            return path
    raise FileNotFoundError(
        f'{pointer} names {name!r}, but {beside} is not there: give the checkpoint itself'
    )
