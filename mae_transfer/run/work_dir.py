"""Protects a used work dir, and records the length of a run in it."""

import json
import re
import shutil
from pathlib import Path

from mmengine.dist import barrier, broadcast_object_list
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mae_transfer.checkpoints.files.last_checkpoint import POINTER
from mae_transfer.compat.atomic_write import write_atomically
from mae_transfer.run.processes import is_main_process, say

CHECKPOINT = re.compile(r'(best_.+_)?(iter|epoch)_\d+\.pth')
PICTURE = re.compile(r'(iter|epoch)_\d+\.png')
TIMESTAMP = re.compile(r'\d{8}_\d{6}')
LENGTH = 'length.json'
SET_ASIDE = '.replaced'


def check_work_dir(work_dir: str, resume: bool, overwrite: bool, start: str | None = None) -> None:
    """Refuse a used work dir unless it is clear what becomes of the earlier run.

    The first process checks; the others wait for its result. Nothing is changed.

    Args:
        work_dir: Folder of the run; it need not exist.
        resume: Whether the run resumes from a checkpoint.
        overwrite: Whether the files of an earlier run are to be replaced.
        start: File or folder that the run starts from, if any.

    Raises:
        ValueError: The folder contains checkpoints or logs of an earlier run and neither option is
            set, or both are; or the run starts from what it is to replace.
        NotADirectoryError: ``work_dir`` is a file.
    """
    folder = Path(work_dir)
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f'work_dir={work_dir!r} is a file: give a folder')
    if resume and overwrite:
        raise ValueError('--resume and --overwrite contradict each other: give one of them')
    if resume:
        return
    if (
        overwrite
        and start
        and folder.resolve() in [Path(start).resolve(), *Path(start).resolve().parents]
    ):
        raise ValueError(
            f'--overwrite would remove {start!r}, from which this run starts: choose another '
            '--work-dir'
        )
    found = [written_by_runs(folder) if is_main_process() and not overwrite else []]
    broadcast_object_list(found)
    if used := [path for path in found[0] if _is_worth_keeping(path)]:
        raise ValueError(
            f'work_dir={work_dir!r} contains {_names(used)} of an earlier run: continue that run '
            'with --resume, remove its files with --overwrite, or choose another --work-dir'
        )


class ReplaceRunHook(Hook):
    """Replaces the files of an earlier run by those of a new one, once that is ready to train.

    As a context manager it sets the files aside first, before anything is written. It removes them
    when everything is built and loaded, and puts them back if the new run fails before that.

    Args:
        work_dir: Folder of the run.
        overwrite: Whether to do anything.
    """

    def __init__(self, work_dir: str, overwrite: bool) -> None:
        self.folder, self.aside = Path(work_dir), Path(work_dir, SET_ASIDE)
        self.overwrite = overwrite
        self.moved: list[Path] = []

    def __enter__(self) -> 'ReplaceRunHook':
        if self.overwrite and is_main_process():
            if self.aside.exists():  # killed before it could put them back
                raise ValueError(
                    f'{str(self.aside)!r} contains the files of an earlier run, whose replacement '
                    'was interrupted: move them back, or remove the folder'
                )
            self.moved = written_by_runs(self.folder)
        for path in self.moved:
            self._place_of(path).parent.mkdir(parents=True, exist_ok=True)
            path.rename(self._place_of(path))
        barrier()  # no process writes before the first has cleared the folder
        return self

    def before_train(self, runner: Runner) -> None:
        """Remove what was set aside."""
        if self.moved:
            shutil.rmtree(self.aside)
            say(f'--overwrite: removed {_names(self.moved)} from {self.folder}')
            self.moved = []

    def __exit__(self, *failure: object) -> None:
        for path in self.moved:
            if path.is_dir():  # a log that the new run began in the same second
                shutil.rmtree(path)
            self._place_of(path).replace(path)
        if self.moved:
            shutil.rmtree(self.aside)

    def _place_of(self, path: Path) -> Path:
        return self.aside / path.relative_to(self.folder)


def written_by_runs(work_dir: Path) -> list[Path]:
    """List what training runs wrote to a folder.

    These are checkpoints and their pointer, the length, logs by timestamp, the config that the
    logs have a copy of, and pictures of reconstructions.
    """
    if not work_dir.is_dir():
        return []
    logs = [path for path in work_dir.iterdir() if TIMESTAMP.fullmatch(path.name) and path.is_dir()]
    configs = {copy.read_bytes() for log in logs for copy in log.glob('vis_data/config.py')}
    files = [
        path
        for path in work_dir.iterdir()
        if CHECKPOINT.fullmatch(path.name)
        or path.name in (POINTER, LENGTH)
        or (path.suffix == '.py' and path.read_bytes() in configs)
    ]
    pictures = [p for p in work_dir.glob('reconstructions/*.png') if PICTURE.fullmatch(p.name)]
    return sorted([*logs, *files, *pictures])


def _is_worth_keeping(path: Path) -> bool:
    """Return whether this is a checkpoint, or the log of a run that has logged training metrics."""
    if not path.is_dir():
        return path.name == POINTER or CHECKPOINT.fullmatch(path.name) is not None
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


def read_length(work_dir: str, resumed: str | None = None) -> tuple[str, int] | None:
    """Read the unit and the length that a run was started with; None if none was recorded.

    Args:
        work_dir: Folder of the run.
        resumed: Checkpoint that the run resumes from; it may be in the folder of another run.
    """
    folders = [Path(work_dir), *([Path(resumed).parent] if resumed else [])]
    for path in (folder / LENGTH for folder in folders):
        if path.is_file():
            noted = json.loads(path.read_text(encoding='utf-8'))
            return noted['unit'], noted['length']
    return None
