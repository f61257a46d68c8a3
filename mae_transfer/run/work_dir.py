"""Protects a used work dir, and records the length of a run in it."""

import json
import os
import re
import shutil
from pathlib import Path

from mmengine.dist import broadcast_object_list
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mae_transfer.checkpoints.files.last_checkpoint import POINTER
from mae_transfer.compat.atomic_write import write_atomically
from mae_transfer.first_few import first_few
from mae_transfer.hooks.nonfinite_guard import FOLDER
from mae_transfer.kept_steps.step_bundle import INCIDENT
from mae_transfer.run.processes import is_main_process, say

CHECKPOINT = re.compile(r'(best_.+_)?(iter|epoch)_\d+\.pth')
PICTURE = re.compile(r'(iter|epoch)_\d+\.png')
TIMESTAMP = re.compile(r'\d{8}_\d{6}')
LENGTH = 'length.json'
REPLACED_BY = 'replaced_by_slurm_job'  # holds the number of that job


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
    if overwrite and start and _is_removed(Path(start).resolve(), folder):
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


def is_replaced_by_this_job(work_dir: str) -> bool:
    """Return whether this Slurm job, before it was started anew, has replaced the earlier run.

    If it has not, because it was stopped before its first step, what is in the folder is still the
    earlier run's, which the job is not to continue.

    Args:
        work_dir: Folder of the run.
    """
    note = Path(work_dir, REPLACED_BY)
    return note.is_file() and note.read_text(encoding='utf-8').strip() == _slurm_job()


def is_started_anew() -> bool:
    """Return whether this belongs to a Slurm job that went back into the queue."""
    return _slurm_job() != '' and os.environ.get('SLURM_RESTART_COUNT', '0') != '0'


def _slurm_job() -> str:
    return os.environ.get('SLURM_JOB_ID', '')


class ReplaceRunHook(Hook):
    """Removes the files of an earlier run once the new one has made its first step.

    Until then both are in the folder, so that a run that fails or is killed at its start costs
    nothing. As a context manager it also takes back what a failed start wrote over.

    Args:
        work_dir: Folder of the run.
        overwrite: Whether to do anything.
    """

    priority = 'VERY_HIGH'  # before a checkpoint of the first step is written

    def __init__(self, work_dir: str, overwrite: bool) -> None:
        self.folder = Path(work_dir)
        self.notes_job = overwrite and is_main_process() and _slurm_job() != ''
        paths = written_by_runs(self.folder) if overwrite and is_main_process() else []
        self.former = {path: path.lstat().st_mtime_ns for path in paths}
        self.texts = {p: p.read_bytes() for p in paths if p.suffix == '.py' or p.name == LENGTH}
        self.configs = set(self.folder.glob('*.py'))

    def after_train_iter(self, runner: Runner, *args: object, **kwargs: object) -> None:
        """Remove what the new run has not written anew; note which job has done so."""
        if self.former:
            self._remove_former(runner)
        if self.notes_job:
            write_atomically(self.folder / REPLACED_BY, _slurm_job() + '\n')
            self.notes_job = False

    def _remove_former(self, runner: Runner) -> None:
        old = [
            path
            for path, written in self.former.items()
            if path.name != runner.timestamp and path.lstat().st_mtime_ns == written
        ]
        self.former = {}
        for path in old:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        say(f'--overwrite: removed {_names(old)} from {self.folder}')

    def __enter__(self) -> 'ReplaceRunHook':
        return self

    def __exit__(self, *failure: object) -> None:
        if not self.former:
            return
        for path, text in self.texts.items():
            write_atomically(path, text)
        for path in set(self.folder.glob('*.py')) - self.configs:
            path.unlink()


def written_by_runs(work_dir: Path) -> list[Path]:
    """List what training runs wrote to a folder.

    These are checkpoints and their pointer, the length, the note of a Slurm job, logs by timestamp,
    the config that the logs have a copy of, pictures of reconstructions, and steps that were not
    finite.
    """
    if not work_dir.is_dir():
        return []
    logs = [path for path in work_dir.iterdir() if TIMESTAMP.fullmatch(path.name) and path.is_dir()]
    configs = {copy.read_bytes() for log in logs for copy in log.glob('vis_data/config.py')}
    files = [
        path
        for path in work_dir.iterdir()
        if CHECKPOINT.fullmatch(path.name)
        or path.name in (POINTER, LENGTH, REPLACED_BY)
        or (path.suffix == '.py' and path.is_file() and path.read_bytes() in configs)
    ]
    pictures = [p for p in work_dir.glob('reconstructions/*.png') if PICTURE.fullmatch(p.name)]
    steps = [path.parent for path in work_dir.glob(f'{FOLDER}/iter_*/{INCIDENT}')]
    return sorted([*logs, *files, *pictures, *steps])


def _is_removed(start: Path, work_dir: Path) -> bool:
    """Return whether a checkpoint, or the work dir that it is in, belongs to an earlier run."""
    removed = [path.resolve() for path in written_by_runs(work_dir)]
    return start == work_dir.resolve() or any(p in (start, *start.parents) for p in removed)


def _is_worth_keeping(path: Path) -> bool:
    """Return whether this is a checkpoint, or the log of a run that has logged training metrics."""
    if not path.is_dir():
        return path.name == POINTER or CHECKPOINT.fullmatch(path.name) is not None
    return any(file.stat().st_size for file in path.glob('vis_data/*.json'))


def _names(paths: list[Path]) -> str:
    return first_few([path.name for path in paths])


class RecordLengthHook(Hook):
    """Records the length of a run in its work dir once the training begins.

    A run that is refused before that leaves the record of the earlier one.

    Args:
        length: 'max_iters' or 'max_epochs', and the length in that unit.
        minutes: The requested time that the length was chosen for, if any.
        once: Whether the run validates only at its end.
    """

    def __init__(self, length: tuple[str, int], minutes: float | None, once: bool) -> None:
        self.length, self.minutes, self.once = length, minutes, once

    def before_train(self, runner: Runner) -> None:
        """Write the record."""
        write_length(runner.work_dir, *self.length, self.minutes, self.once)


def write_length(
    work_dir: str, unit: str, length: int, minutes: float | None, once: bool = False
) -> None:
    """Record the length of a run, for runs that resume from it.

    Args:
        work_dir: Folder of the run.
        unit: 'max_iters' or 'max_epochs'.
        length: Its length in that unit.
        minutes: The requested time that the length was chosen for, if any.
        once: Whether it validates only at its end.
    """
    if not is_main_process():
        return
    Path(work_dir).mkdir(parents=True, exist_ok=True)
    noted = {'unit': unit, 'length': length, 'minutes': minutes, 'validate_once': once}
    write_atomically(Path(work_dir, LENGTH), json.dumps(noted) + '\n')


def read_length(work_dir: str | os.PathLike) -> tuple[str, int] | None:
    """Read the unit and the length of the run in a folder; None if none was recorded."""
    noted = _read_note(work_dir)
    return (noted['unit'], noted['length']) if noted else None


def validated_once(work_dir: str | os.PathLike) -> bool:
    """Return whether the run in a folder validates only at its end."""
    return bool(_read_note(work_dir).get('validate_once'))


def _read_note(work_dir: str | os.PathLike) -> dict:
    path = Path(work_dir, LENGTH)
    return json.loads(path.read_text(encoding='utf-8')) if path.is_file() else {}
