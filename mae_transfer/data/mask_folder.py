"""Check that the masks on disk fit the label map, before training.

Lists what each value of the masks becomes. A class that never occurs, or masks that are mostly
ignored, are the usual signs of a wrong label map, and get a warning by name.
"""

import os
from collections.abc import Iterable, MutableMapping

import numpy as np
from PIL import Image

from mae_transfer.data.bad_files import are_too_many, max_bad_share
from mae_transfer.data.config_datasets import (
    LOADERS,
    base_type,
    data_path,
    iter_datasets,
    iter_pipelines,
)
from mae_transfer.data.label_map import IGNORE, label_table, map_labels
from mae_transfer.data.picture_files import UnreadableFile, why_undecodable

SAMPLED_MASKS = 32
MOSTLY = 0.5  # a larger share of ignored pixels gives a warning


def check_masks(
    cfg: MutableMapping, loaders: Iterable[str] = LOADERS
) -> tuple[list[str], list[str]]:
    """Check every data set whose pipeline has a MapLabels.

    Args:
        cfg: The whole config with paths in place (`resolve_data_roots` first).
        loaders: Which data loaders the run uses.

    Returns:
        Lines of the value -> label table of the first data set, and warnings.

    Raises:
        FileNotFoundError: A folder, or the mask of an image, is missing.
        ValueError: A sampled mask cannot be read, has more than one channel or a value without a
            meaning. Of the training masks, `data.max_bad_share` may be missing or broken: they are
            replaced in training.
    """
    training_share = max_bad_share(cfg)
    lines: list[str] = []
    warnings: list[str] = []
    done = set()
    for key, dataset in iter_datasets(cfg, loaders):
        steps = [
            s for steps in iter_pipelines(dataset) for s in steps if isinstance(s, MutableMapping)
        ]
        step = next((s for s in steps if base_type(s) == 'MapLabels'), None)
        if step is None:
            continue
        share = training_share if key.startswith('train_') else None
        if (masks := tuple(list_masks(key, dataset, share))) in done:
            continue
        done.add(masks)
        names = (dataset.get('metainfo') or {}).get('classes', ())
        table = label_table(**{name: value for name, value in step.items() if name != 'type'})
        counts = count_values(masks, table, share)
        rows, warned = describe_labels(counts, table, names)
        lines += [f'{key}: values of {min(len(masks), SAMPLED_MASKS)} of {len(masks)} masks', *rows]
        warnings += [f'{key}: {warning}' for warning in warned]
    return lines, warnings


def list_masks(key: str, dataset: MutableMapping, share: float | None = None) -> list[str]:
    """Paths of the masks of a data set, in the order of the images; every one exists.

    Args:
        key: Key of the data set in the config.
        dataset: Its config.
        share: Share of masks that may be missing; None for none.

    Raises:
        FileNotFoundError: A folder is missing, holds no image, or too many images have no mask.
    """
    prefix = dataset.get('data_prefix') or {}
    img_dir, ann_dir = (
        data_path(dataset, prefix.get(name)) for name in ('img_path', 'seg_map_path')
    )
    img_suffix = dataset.get('img_suffix', '.jpg')
    ann_suffix = dataset.get('seg_map_suffix', '.png')
    for name, folder in (('img_path', img_dir), ('seg_map_path', ann_dir)):
        if not os.path.isdir(folder):
            raise FileNotFoundError(
                f'{key}.data_prefix.{name}: there is no folder {folder!r}; set data.root, '
                'data.train_img, data.train_ann, data.val_img or data.val_ann with --cfg-options'
            )
    stems = sorted(
        os.path.relpath(os.path.join(folder, file), img_dir)[: -len(img_suffix)]
        for folder, _, files in os.walk(img_dir)
        for file in files
        if file.endswith(img_suffix)
    )
    ann_file = data_path(dataset, dataset.get('ann_file')) if dataset.get('ann_file') else ''
    if os.path.isfile(ann_file):  # a text file names the part of the folder that is used
        with open(ann_file, encoding='utf-8') as file:
            stems = [line.strip() for line in file if line.strip()]
    if not stems:
        raise FileNotFoundError(f'{key}: {img_dir} holds no file that ends in {img_suffix!r}')
    masks = [os.path.join(ann_dir, stem + ann_suffix) for stem in stems]
    absent = [mask for mask in masks if not os.path.isfile(mask)]
    if are_too_many(len(absent), len(masks), len(masks), share or 0.0):
        raise FileNotFoundError(
            f'{key}: {len(absent)} of {len(masks)} images have no mask'
            f'{_allowed(len(absent), len(masks), share)}, for example there is no {absent[0]}'
        )
    gone = set(absent)
    return [mask for mask in masks if mask not in gone]


def count_values(
    masks: tuple[str, ...], table: np.ndarray, share: float | None = None
) -> np.ndarray:
    """Count the pixels of each value in evenly spaced masks, and check these masks.

    Args:
        masks: Paths.
        table: What :func:`mae_transfer.data.label_map.label_table` returned.
        share: Share of masks that may be broken, and then count nothing; None for none.

    Returns:
        Pixels of each value, (256,), int64.

    Raises:
        ValueError: A value has no meaning, or too many masks are broken.
    """
    counts = np.zeros(256, np.int64)
    broken: list[UnreadableFile] = []
    # Evenly spaced, since folders are often sorted by scene.
    sampled = np.unique(np.linspace(0, len(masks) - 1, SAMPLED_MASKS).astype(int))
    for i in sampled:
        try:
            seg = read_mask(masks[i])
            map_labels(seg, table, masks[i])
        except UnreadableFile as error:
            broken.append(error)
        else:
            counts += np.bincount(seg.ravel(), minlength=256)
    if are_too_many(len(broken), len(sampled), len(masks), share or 0.0):
        raise ValueError(
            f'{len(broken)} of {len(sampled)} sampled masks are broken'
            f'{_allowed(len(broken), len(sampled), share)}: {broken[0]}'
        )
    return counts


def _allowed(bad: int, masks: int, share: float | None) -> str:
    """Say how many masks are bad, and how many training allows."""
    percent = f' ({100 * bad / masks:.3g} %)'
    return percent if share is None else f'{percent}, more than data.max_bad_share={share:g} allows'


def read_mask(path: str) -> np.ndarray:
    """Read the values of a mask, (H, W) unless it is a color picture.

    Raises:
        UnreadableFile: The file is broken.
    """
    try:
        with Image.open(path) as image:
            seg = np.asarray(image)
    except Exception as error:
        if reason := why_undecodable(path, 'pillow'):
            raise UnreadableFile(path, reason) from error
        raise
    return seg.astype(np.uint8) if seg.dtype == bool else seg  # of a 1-bit file


def describe_labels(
    counts: np.ndarray, table: np.ndarray, names: tuple[str, ...] = ()
) -> tuple[list[str], list[str]]:
    """Write a line 'value -> label name share' for each value, and warnings.

    Args:
        counts: Pixels of each value, (256,).
        table: What :func:`mae_transfer.data.label_map.label_table` returned.
        names: Class names; empty when the data set class knows them itself.
    """
    total = max(int(counts.sum()), 1)
    lines, warnings, seen = [], [], set()
    for value in np.flatnonzero(counts):
        label = int(table[value])
        seen.add(label)
        name = 'ignored' if label == IGNORE else names[label] if names else ''
        lines.append(f'  {value:3d} -> {label:3d} {name:20s} {counts[value] / total:6.1%}')
    classes = [int(label) for label in np.unique(table) if 0 <= label < IGNORE]
    unseen = [names[label] if names else str(label) for label in classes if label not in seen]
    if unseen:
        shown = ', '.join(unseen[:10]) + (', ...' if len(unseen) > 10 else '')
        warnings.append(
            f'{len(unseen)} of {len(classes)} classes do not occur in the sample: {shown}'
        )
    ignored = counts[table == IGNORE].sum() / total
    if ignored > MOSTLY:
        warnings.append(f'{ignored:.0%} of the sampled pixels are ignored: is the label map right?')
    return lines, warnings
