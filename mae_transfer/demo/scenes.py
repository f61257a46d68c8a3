"""Makes the embedded demo set from photographs and digits in installed packages.

``make_scenes`` (or ``python -m mae_transfer.demo.scenes``) writes unlabeled pictures for
pre-training and a few labeled ones for the tasks. ``scene_render`` describes their appearance and
the sources that the splits share::

    data/demo-scenes/
    ├── manifest.json               config, counts, versions, content hash; written last
    ├── classes.txt                 'background', 'zero', ..., 'nine': labels 0 to 10 of the maps
    ├── unlabelled/000000.jpg       pre-training: pictures without labels (JPEG, quality 95)
    ├── images/
    │   └── {training,validation}/000000.png    scenes, for COCO and ADE20K
    ├── annotations/
    │   ├── {training,validation}/000000.png    ADE20K: 8-bit label maps, background is class 0
    │   └── instances_{train,val}.json          COCO: categories 1 to 10, RLE of visible pixels
    └── imagenet/
        └── {train,val}/0_zero/000000.png       ImageNet: one digit per picture

COCO and ADE20K share their pictures: paths in the COCO files are relative to ``images/training``
and ``images/validation``, so ``data_prefix=dict(img='images/training/')``. Label maps need no
shift: ``reduce_zero_label=False``, 11 classes.
"""

import argparse
import fcntl
import hashlib
import importlib.metadata
import json
import multiprocessing
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mae_transfer.demo.scene_render import CLASSES, SPLITS, Scene, SceneConfig, render_scene
from mae_transfer.demo.scene_writers import (
    SEGMENTATION_CLASSES,
    Shard,
    ShardResult,
    coco_json,
    folders,
    use_one_thread,
    write_shard,
)

__all__ = [
    'CLASSES',
    'DEFAULT_COUNTS',
    'SEGMENTATION_CLASSES',
    'SPLITS',
    'Scene',
    'SceneConfig',
    'make_scenes',
    'render_scene',
]

DEFAULT_ROOT = 'data/demo-scenes'
DEFAULT_COUNTS = dict(pretrain=8000, train=256, val=200, classify_train=500, classify_val=500)

_RECIPE = 1  # increment it whenever the same config would give different files
_SHARD_SIZE = 50  # pictures; a picture takes about 8 ms
_PACKAGES = ('numpy', 'opencv-python', 'opencv-python-headless', 'scikit-image', 'scikit-learn')


def make_scenes(
    root: str | Path = DEFAULT_ROOT,
    config: SceneConfig | None = None,
    counts: Mapping[str, int] | None = None,
    processes: int | None = None,
    progress: bool = True,
) -> Path:
    """Make the demo set, unless it already exists with the same config and counts.

    The set is built next to ``root`` and renamed once it is complete, so an interrupted build never
    looks complete; a set with another config or other counts is replaced. Concurrent processes
    with the same root wait for the one that builds.

    Args:
        root: Folder of the set; created with its parents.
        config: Appearance of scenes; default ``SceneConfig()``.
        counts: Pictures per split, >= 0; splits left out keep ``DEFAULT_COUNTS``.
        processes: Number of rendering processes, >= 1; default: the number of cores. The files do
            not depend on it. If above 1, processes are spawned, so a script that calls this needs
            ``if __name__ == '__main__':``.
        progress: Whether to show a progress bar.

    Returns:
        ``root`` as a path.

    Raises:
        ValueError: A count or ``processes`` is out of range, a split is unknown, or ``root``
            contains something that this function did not make.
        NotADirectoryError: ``root`` is a file.
    """
    root = Path(root)
    config = SceneConfig() if config is None else config
    counts = _full_counts(counts)
    processes = (os.cpu_count() or 1) if processes is None else processes
    if processes < 1:
        raise ValueError(f'processes={processes} is out of range: it must be at least 1')
    # Through json, so that it compares equal to the content of a manifest file.
    wanted = json.loads(json.dumps(dict(recipe=_RECIPE, config=asdict(config), counts=counts)))
    if _is_made(root, wanted):
        return root
    root.parent.mkdir(parents=True, exist_ok=True)
    with _lock(root):
        if not _is_made(root, wanted):
            _check_replaceable(root)
            building = root.with_name(f'.{root.name}.building')
            _remove(building)  # left by a killed build
            try:
                _build(building, config, counts, wanted, processes, progress)
                _replace(root, building)
            finally:
                _remove(building)
    return root


def _build(
    root: Path,
    config: SceneConfig,
    counts: dict[str, int],
    wanted: dict,
    processes: int,
    progress: bool,
) -> None:
    """Write the complete set below ``root``, the manifest last."""
    for folder in folders():
        (root / folder).mkdir(parents=True)
    shards = [
        Shard(root, config, split, start, min(start + _SHARD_SIZE, count))
        for split, count in counts.items()
        for start in range(0, count, _SHARD_SIZE)
    ]
    joined = {split: ShardResult() for split in counts}
    with _progress_bar(sum(counts.values()), progress) as advance:
        for shard, result in zip(shards, _write_all(shards, processes), strict=True):
            split = joined[shard.split]
            split.hashes.update(result.hashes)
            split.images.extend(result.images)
            split.annotations.extend(result.annotations)
            advance(shard.stop - shard.start)

    hashes = {name: digest for split in joined.values() for name, digest in split.hashes.items()}
    texts = {
        f'annotations/instances_{split}.json': coco_json(
            joined[split].images, joined[split].annotations
        )
        for split in ('train', 'val')
    }
    texts['classes.txt'] = '\n'.join(SEGMENTATION_CLASSES) + '\n'
    for name, text in texts.items():
        (root / name).write_text(text, encoding='utf-8')
        hashes[name] = hashlib.sha256(text.encode('utf-8')).hexdigest()
    listing = ''.join(f'{hashes[name]}  {name}\n' for name in sorted(hashes))
    manifest = dict(
        **wanted,
        versions=_versions(),
        num_files=len(hashes),
        content_hash=hashlib.sha256(listing.encode('utf-8')).hexdigest(),
    )
    (root / 'manifest.json').write_text(json.dumps(manifest, indent=2) + '\n', encoding='utf-8')


def _write_all(shards: list[Shard], processes: int) -> Iterator[ShardResult]:
    """Write shards and yield their results in order."""
    processes = min(processes, len(shards))
    if processes <= 1:
        yield from map(write_shard, shards)
        return
    # Not forked: the caller may have threads (torch, the progress bar).
    with multiprocessing.get_context('spawn').Pool(processes, use_one_thread) as pool:
        yield from pool.imap(write_shard, shards)


def _full_counts(counts: Mapping[str, int] | None) -> dict[str, int]:
    counts = {} if counts is None else counts
    for split, count in counts.items():
        if split not in SPLITS:
            raise ValueError(f'counts has unknown split {split!r}; choose from {", ".join(SPLITS)}')
        if not 0 <= count < 1_000_000:
            raise ValueError(
                f'counts[{split!r}]={count} is out of range: it must be in [0, 1000000)'
            )
    return {**DEFAULT_COUNTS, **counts}


def _is_made(root: Path, wanted: dict) -> bool:
    path = root / 'manifest.json'
    if not path.is_file():
        return False
    try:
        manifest = json.loads(path.read_text(encoding='utf-8'))
    except json.JSONDecodeError:  # edited or truncated: make the set again
        return False
    return all(manifest.get(key) == value for key, value in wanted.items())


def _check_replaceable(root: Path) -> None:
    """Refuse to delete files that this module did not make."""
    if root.exists() and not root.is_dir():
        raise NotADirectoryError(f'root={str(root)!r} is a file; give a folder for the demo set')
    found = {path.name for path in root.iterdir()} if root.is_dir() else set()
    ours = {'manifest.json', 'classes.txt', *(Path(folder).parts[0] for folder in folders())}
    if found and ('manifest.json' not in found or not found <= ours):
        held = ', '.join(sorted(found - ours)) or 'no manifest.json'
        raise ValueError(
            f'root={str(root)!r} is not replaced: it contains {held}, so it is not (only) a demo '
            'set; choose another folder'
        )


def _replace(root: Path, building: Path) -> None:
    """Replace an older set with the finished one; each step is a rename."""
    old = root.with_name(f'.{root.name}.old')
    _remove(old)
    if root.exists():
        root.rename(old)
    building.rename(root)
    _remove(old)


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


@contextmanager
def _lock(root: Path) -> Iterator[None]:
    """Let one process at a time build this root; the lock ends with its process."""
    with open(root.with_name(f'.{root.name}.lock'), 'w') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _progress_bar(total: int, shown: bool) -> Iterator:
    """Yield a function that advances the progress bar by a number of pictures."""
    columns = (
        TextColumn('{task.description}'),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, disable=not shown) as bar:
        task = bar.add_task('making demo pictures', total=total)
        yield lambda pictures: bar.advance(task, pictures)


def _versions() -> dict[str, str]:
    """Return the versions that affect the bytes; either OpenCV distribution may be missing."""
    installed = {
        dist.metadata['Name'].lower(): dist.version for dist in importlib.metadata.distributions()
    }
    return {name: installed[name] for name in _PACKAGES if name in installed}


def main(arguments: list[str] | None = None) -> None:
    """Command line: ``python -m mae_transfer.demo.scenes``."""
    parser = argparse.ArgumentParser(description='Make the embedded demo set, once.')
    parser.add_argument('--root', default=DEFAULT_ROOT, help='folder of the set (%(default)s)')
    for split, count in DEFAULT_COUNTS.items():
        flag = f'--{split.replace("_", "-")}'
        parser.add_argument(
            flag, type=int, default=count, metavar='N', help='pictures (%(default)s)'
        )
    parser.add_argument('--picture-size', type=int, default=64, metavar='PX', help='(%(default)s)')
    parser.add_argument('--seed', type=int, default=0, help='(%(default)s)')
    parser.add_argument('--processes', type=int, default=None, help='default: number of cores')
    args = parser.parse_args(arguments)
    try:
        config = SceneConfig(picture_size=args.picture_size, seed=args.seed)
        counts = {split: getattr(args, split) for split in DEFAULT_COUNTS}
        root = make_scenes(args.root, config, counts, args.processes)
    except (ValueError, NotADirectoryError) as error:
        parser.error(str(error))
    print(f'demo scenes: {root}')


if __name__ == '__main__':
    main()
