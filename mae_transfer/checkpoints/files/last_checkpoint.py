"""Finds the newest whole checkpoint that a run wrote to its work dir.

A file is whole if its checksums are right, it can be read, and its weights and moments are finite.
"""

import logging
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from mae_transfer.checkpoints.files.finite import broken_content
from mae_transfer.compat.checkpoint_paths import BEST_NAME
from mae_transfer.compat.safe_load import UntrustedError, read_content, read_structure
from mae_transfer.first_few import first_few

POINTER = 'last_checkpoint'  # MMEngine's: a text file with the path of the newest checkpoint
OF_A_STEP = re.compile(r'(iter|epoch)_\d+\.pth')


@dataclass
class Found:
    """A checkpoint in a work dir.

    Attributes:
        path: The newest whole one.
        passed_over: What is wrong with those that come before it.
    """

    path: Path
    passed_over: list[str] = field(default_factory=list)

    def warning(self) -> str:
        """Say in one sentence what was passed over; '' if nothing was."""
        if not self.passed_over:
            return ''
        return f'{"; ".join(self.passed_over)}; {self.path} is the newest whole checkpoint instead'


def last_checkpoint(work_dir: str | os.PathLike) -> Path:
    """Return the newest whole checkpoint of a run, for its weights; log what was passed over.

    Args:
        work_dir: Folder of a run.

    Raises:
        FileNotFoundError: The run has written none, or it is gone.
        ValueError: None is whole.
    """
    found = find_last_checkpoint(work_dir, for_weights=True)
    if found is None:
        raise FileNotFoundError(
            f'work_dir={str(work_dir)!r} contains no {POINTER} and no checkpoint of a run: give a '
            'folder in which a run has written a checkpoint, or the checkpoint itself'
        )
    if found.passed_over:
        print_log(found.warning(), logger='current', level=logging.WARNING)
    return found.path


def find_last_checkpoint(work_dir: str | os.PathLike, for_weights: bool = False) -> Found | None:
    """Find the newest whole checkpoint of a run, even if the work dir was moved or copied.

    ``last_checkpoint`` is followed first. A checkpoint next to it takes precedence: the path in a
    copied pointer may lead to the original run, or to a file written since. The ``out_dir`` of
    MMEngine's CheckpointHook can put the checkpoint elsewhere. If the pointer or what it names is
    lost or spoilt, the checkpoints in the folder are tried from the latest iteration down.

    Args:
        work_dir: Folder of a run.
        for_weights: Whether weights named as of a run are enough, without its state.

    Returns:
        The checkpoint; None if the folder holds neither a pointer nor a checkpoint of a run.

    Raises:
        FileNotFoundError: There is a pointer, but no checkpoint.
        UntrustedError: The newest cannot be read without running code.
        ValueError: There are checkpoints, but none is whole.
    """
    folder = Path(work_dir)
    pointer = folder / POINTER
    name, passed_over = '', []
    target = None
    own = sorted(
        path
        for path in folder.glob('*.pth')
        if path.is_file() and not path.name.startswith(BEST_NAME)
    )
    if pointer.is_file():
        name = pointer.read_text(encoding='utf-8', errors='replace').strip()
        target = _target(folder, name, own)
        wrong = _what_is_wrong(target) if target else f'{pointer} names {name!r}, which is gone'
        if target and not wrong:
            return Found(target)
        passed_over.append(wrong)
    others = _newest_first([path for path in own if path != target], passed_over, for_weights)
    if not others:
        passed_over += [
            f'{path} has no state of the optimizer'
            for path in sorted(folder.glob(f'{BEST_NAME}*.pth'))
        ]
    if not others and not passed_over:
        return None
    for path in others:
        wrong = _what_is_wrong(path)
        if not wrong:
            return Found(path, passed_over)
        passed_over.append(wrong)
    if not target and not own and len(passed_over) == 1 and pointer.is_file():
        raise FileNotFoundError(
            f'{pointer} names {name!r}, but there is no checkpoint, neither there nor in '
            f'{str(folder)!r}: give the checkpoint itself'
        )
    raise ValueError(
        f'work_dir={str(folder)!r} contains no whole checkpoint: {"; ".join(passed_over)}; restore '
        'one, or start anew in another --work-dir'
    )


def _target(folder: Path, name: str, own: list[Path]) -> Path | None:
    """Return the file that a pointer means; None if there is none."""
    beside = Path(folder, name.replace('\\', '/').rpartition('/')[2])
    # Beside other checkpoints of the run, a path to elsewhere comes from the original of a copy.
    elsewhere = [] if any(OF_A_STEP.fullmatch(path.name) for path in own) else [Path(name)]
    return next((path for path in (beside, *elsewhere) if path.is_file()), None)


def _newest_first(paths: list[Path], passed_over: list[str], for_weights: bool) -> list[Path]:
    """Sort the checkpoints of a run by the iteration that they state, the latest first.

    Args:
        paths: Files; those that are no checkpoints of a run are left out.
        passed_over: Gets what is wrong with those that state nothing, but are named like one.
        for_weights: Whether such a file counts, as the oldest, if it can be read.

    Raises:
        UntrustedError: One cannot be read without running code; it may be the newest.
    """
    steps = {}
    for path in paths:
        try:
            step = _step(read_structure(path))
        except UntrustedError:
            if OF_A_STEP.fullmatch(path.name):
                raise
            continue
        except ValueError as error:
            if OF_A_STEP.fullmatch(path.name):
                passed_over.append(str(error))
            continue
        if step is None and for_weights and OF_A_STEP.fullmatch(path.name):
            step = (-1, -1)
        if step is not None:
            steps[path] = step
        elif OF_A_STEP.fullmatch(path.name):
            passed_over.append(f'{path} has no state of a run')
    return sorted(steps, key=lambda path: (steps[path], path.stat().st_mtime_ns), reverse=True)


def _step(content: Any) -> tuple[int, int] | None:
    """Return iteration and epoch of a checkpoint of a run; None if it is something else."""
    meta = content.get('meta') if isinstance(content, dict) else None
    if not isinstance(meta, dict) or 'message_hub' not in content:
        return None
    step = (meta.get('iter'), meta.get('epoch'))
    return step if all(type(number) is int for number in step) else None  # type: ignore


def _what_is_wrong(path: Path) -> str:
    """Read a checkpoint and say what is wrong with it; '' if it is whole.

    Raises:
        UntrustedError: It cannot be read without running code.
    """
    try:
        broken = broken_content(read_content(path))
    except UntrustedError:
        raise
    except ValueError as error:
        return str(error)
    return f'{path} has numbers that are not finite, in {first_few(broken)}' if broken else ''
