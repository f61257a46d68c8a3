"""Protects a used work dir, and records the length of a run in it."""

import json
import re
import shutil
from pathlib import Path

from mmengine.dist import broadcast_object_list

from mae_transfer.checkpoints.files.work_dir import POINTER
from mae_transfer.compat.atomic_write import write_atomically
from mae_transfer.run.processes import is_main_process, say

CHECKPOINT = re.compile(r'((iter|epoch)_\d+|best_.+)\.pth')
TIMESTAMP = re.compile(r'\d{8}_\d{6}')
LENGTH = 'length.json'


def take_work_dir(work_dir: str, resume: bool, overwrite: bool) -> None:
    """Refuse a used work dir, or remove the former run's files, before anything is written.

    The first process checks and removes; the others wait for its result.

    Args:
        work_dir: Folder of the run; it need not exist.
        resume: Whether the run resumes from a checkpoint.
        overwrite: Whether to remove the files of an earlier run.

    Raises:
        ValueError: The folder contains checkpoints or logs of an earlier run and neither option is
            set, or both are.
    """
    if resume and overwrite:
        raise ValueError('--resume and --overwrite contradict each other: give one of them')
    if resume:
        return
    found: list[list[Path]] = [written_by_runs(Path(work_dir)) if is_main_process() else []]
    if found[0] and overwrite:
        for path in found[0]:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        say(f'--overwrite: removed {_names(found[0])} from {work_dir}')
    broadcast_object_list(found)
    if used := not overwrite and [path for path in found[0] if _is_worth_keeping(path)]:
        raise ValueError(
            f'work_dir={work_dir!r} contains {_names(used)} of an earlier run: continue that run '
            'with --resume, remove its files with --overwrite, or choose another --work-dir'
        )


def written_by_runs(work_dir: Path) -> list[Path]:
    """List what training runs wrote to a folder: checkpoints, their pointer, logs by timestamp."""
    if not work_dir.is_dir():
        return []
    return sorted(
        path
        for path in work_dir.iterdir()
        if CHECKPOINT.fullmatch(path.name)
        or path.name in (POINTER, LENGTH)
        or TIMESTAMP.fullmatch(path.name)
        and path.is_dir()
    )


def _is_worth_keeping(path: Path) -> bool:
    """Return whether this is a checkpoint, or the log of a run that has logged training metrics."""
    if not path.is_dir():
        return path.name != LENGTH
    return any(file.stat().st_size for file in path.glob('vis_data/*.json'))


def _names(paths: list[Path]) -> str:
    names = [path.name for path in paths]
    return ', '.join(names[:3]) + (f' and {len(names) - 3} more' if len(names) > 3 else '')


def write_length(work_dir: str, unit: str, length: int, minutes: float | None) -> None:
    """Record the length of a run, for runs that resume from it.

    Args:
        work_dir: Folder of the run.
        unit: 'max_iters' or 'max_epochs'.
        length: Its length in that unit.
        minutes: The requested time that the length was chosen for, if any.
    """
    if not is_main_process():
        return
    Path(work_dir).mkdir(parents=True, exist_ok=True)
    text = json.dumps({'unit': unit, 'length': length, 'minutes': minutes}) + '\n'
    write_atomically(Path(work_dir, LENGTH), text)


def read_length(work_dir: str) -> tuple[str, int] | None:
    """Read the unit and the length that a run was started with; None if not recorded."""
    path = Path(work_dir, LENGTH)
    if not path.is_file():
        return None
    noted = json.loads(path.read_text(encoding='utf-8'))
    return noted['unit'], noted['length']
