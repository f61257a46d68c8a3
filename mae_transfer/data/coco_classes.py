"""Take the classes of a detector from its COCO annotation file, and check that file.

A model whose class list differs from its annotation file trains without complaint to an AP of 0. So
the names come from the file, `num_classes` follows, and what cannot be right is an error.
"""

import json
import os
from collections.abc import Iterable, MutableMapping

from mae_transfer.data.config_datasets import (
    LOADERS,
    base_type,
    data_path,
    iter_datasets,
    iter_evaluators,
)
from mae_transfer.data.num_classes import set_num_classes

COCO_TYPES = ('CocoDataset',)
MAX_STRAY_BOXES = 0.1  # share of boxes that may leave their image, by rounding or careless labels
SAMPLED_FILES = 5
COCO_COLORS = 80  # in the palette of mmdet's CocoDataset; drawing fails beyond it


def set_coco_classes(cfg: MutableMapping, loaders: Iterable[str] = LOADERS) -> list[str]:
    """Read the class names of every COCO data set and write them into data sets and model.

    mmdet numbers labels in the order in which the file lists its categories (ids may have gaps), so
    that is the order of the names. A config of COCO's own 80 classes does not change.

    Args:
        cfg: The whole config with paths in place (`resolve_data_roots` first); changed in place.
        loaders: Which data loaders the run uses.

    Returns:
        Lines that say what was read and set; empty without COCO data sets.

    Raises:
        FileNotFoundError: An annotation file or a sampled image is missing.
        ValueError: A file is not a COCO annotation file, or two files disagree about the classes.
    """
    first: tuple[str, ...] | None = None
    first_file = ''
    lines, seen = [], {}
    needs_masks = 'mask_head' in ((cfg.get('model') or {}).get('roi_head') or {})
    for key, dataset in iter_datasets(cfg, loaders):
        if base_type(dataset) not in COCO_TYPES:
            continue
        ann_file = data_path(dataset, dataset.get('ann_file'))
        if '://' in ann_file:
            lines.append(f'{key}.ann_file={ann_file} is remote: its classes are not checked')
            continue
        img_dir = data_path(dataset, (dataset.get('data_prefix') or {}).get('img'))
        if (ann_file, img_dir) not in seen:
            seen[ann_file, img_dir] = check_coco_file(
                f'{key}.ann_file', ann_file, img_dir, needs_masks, key.startswith('train_')
            )
        names, notes = seen[ann_file, img_dir]
        lines += [note for note in notes if note not in lines]
        names = _wanted(key, dataset, names, ann_file)
        if first is None:
            first, first_file = names, ann_file
        elif names != first:
            raise ValueError(
                f'{first_file} and {ann_file} disagree about the classes (names or order):\n'
                f'  {list(first)}\n  {list(names)}\nmake both list the same categories in one order'
            )
        dataset['metainfo'] = {**(dataset.get('metainfo') or {}), 'classes': names}
        if len(names) > COCO_COLORS:
            dataset['metainfo'].setdefault('palette', None)  # drawing then makes up its colors
    _check_evaluators(cfg, loaders)
    if first is None:
        return lines
    former = set_num_classes(cfg, len(first))
    shown = ', '.join(first[:5]) + (', ...' if len(first) > 5 else '')
    lines.append(f'{len(first)} classes ({shown}) from {first_file}')
    changed = [f'{key} {old} -> {len(first)}' for key, old in former.items() if old != len(first)]
    if changed:
        lines.append('set ' + ', '.join(changed))
    return lines


def _wanted(key: str, dataset: dict, names: tuple[str, ...], ann_file: str) -> tuple[str, ...]:
    """Names to train on: those in the file, or the part of them that the config lists."""
    given = (dataset.get('metainfo') or {}).get('classes')
    if given is None:
        return names
    given = (given,) if isinstance(given, str) else tuple(given)
    if given != tuple(name for name in names if name in given):
        raise ValueError(
            f'{key}.metainfo.classes are not the classes of {ann_file}, or some of them in its '
            f'order:\n  {list(given)}\n  {list(names)}\n'
            'leave metainfo.classes out to take the names in the file'
        )
    return given


def _check_evaluators(cfg: MutableMapping, loaders: Iterable[str]) -> None:
    """Refuse an evaluator that reads another annotation file than its data set."""
    for stage in ('val', 'test'):
        if f'{stage}_dataloader' not in loaders:
            continue
        files = {
            os.path.realpath(data_path(dataset, dataset.get('ann_file')))
            for _, dataset in iter_datasets(cfg, [f'{stage}_dataloader'])
            if base_type(dataset) in COCO_TYPES
        }
        for evaluator in iter_evaluators(cfg, stage):
            ann_file = evaluator['ann_file']
            if files and os.path.realpath(ann_file) not in files:
                raise ValueError(
                    f'{stage}_evaluator.ann_file={ann_file!r} is not that of {stage}_dataloader '
                    f'({sorted(files)[0]}): set both with --cfg-options data.val_ann=FILE'
                )


def check_coco_file(
    key: str, ann_file: str, img_dir: str, needs_masks: bool = False, for_training: bool = False
) -> tuple[tuple[str, ...], list[str]]:
    """Read a COCO annotation file and refuse what would train to an AP of 0.

    Args:
        key: Config key of the file, for messages.
        ann_file: Path of the json.
        img_dir: Folder of its `file_name`s; the first few must exist.
        needs_masks: Whether every annotation must have a `segmentation`.
        for_training: Whether one of the first few that exists is enough: training replaces others.

    Returns:
        Class names in the order of the file, and notes for the log.

    Raises:
        FileNotFoundError: The file, or one of the first images or all of them, does not exist.
        ValueError: Named in the message: keys, category ids, image ids, boxes or masks are wrong.
    """
    if not os.path.isfile(ann_file):
        raise FileNotFoundError(
            f'{key}: there is no file {ann_file!r}; --cfg-options data.root, data.train_ann and '
            'data.val_ann say where the annotations are'
        )
    with open(ann_file, encoding='utf-8') as file:
        try:
            coco = json.load(file)
        except ValueError as error:
            raise ValueError(f'{ann_file} is not valid json: {error}') from error
    absent = [
        k
        for k in ('images', 'annotations', 'categories')
        if not (isinstance(coco, dict) and k in coco)
    ]
    if absent:
        raise ValueError(
            f'{ann_file} is not a COCO annotation file: it has no {" and no ".join(absent)}'
        )
    names = tuple(category['name'] for category in coco['categories'])
    if not names or len(set(names)) < len(names):
        raise ValueError(
            f'{ann_file}: categories must be distinct and at least one, got {list(names)}'
        )
    _check_images(coco['images'], ann_file, img_dir, for_training)
    return names, _check_annotations(coco, ann_file, needs_masks)


def _check_images(images: list[dict], ann_file: str, img_dir: str, for_training: bool) -> None:
    if not images:
        raise ValueError(f'{ann_file} lists no images')
    sampled = [image['file_name'] for image in images[:SAMPLED_FILES]]
    paths = [os.path.join(img_dir, name) for name in sampled]
    absent = [
        (name, path)
        for name, path in zip(sampled, paths, strict=True)
        if '://' not in path and not os.path.isfile(path)
    ]
    if absent and (len(absent) == len(sampled) or not for_training):
        name, path = absent[0]
        raise FileNotFoundError(
            f'{ann_file} names the image {name!r}, but there is no {path}; '
            '--cfg-options data.train_img and data.val_img say which folder holds the images'
        )


def _check_annotations(coco: dict, ann_file: str, needs_masks: bool) -> list[str]:
    """Check ids, boxes and masks; return a note when a few boxes leave their image."""
    sizes = {image['id']: (image['width'], image['height']) for image in coco['images']}
    category_ids = {category['id'] for category in coco['categories']}
    strays, corners = [], 0
    for ann in coco['annotations']:
        if ann['category_id'] not in category_ids:
            raise ValueError(
                f'{ann_file}: annotation {ann.get("id")} has category_id {ann["category_id"]}, but '
                f'categories has only the ids {sorted(category_ids)[:20]}'
            )
        if ann['image_id'] not in sizes:
            raise ValueError(
                f'{ann_file}: annotation {ann.get("id")} has image_id {ann["image_id"]}, which is '
                'the id of none of its images'
            )
        if len(ann.get('bbox', ())) != 4:
            raise ValueError(f'{ann_file}: annotation {ann.get("id")} has no bbox of 4 numbers')
        if needs_masks and 'segmentation' not in ann:
            raise ValueError(
                f'{ann_file}: annotation {ann.get("id")} has no segmentation, which a mask head '
                'needs'
            )
        x, y, w, h = ann['bbox']
        width, height = sizes[ann['image_id']]
        # One pixel is let pass: some tools count pixels from 1.
        if x < -1 or y < -1 or x + w > width + 1 or y + h > height + 1:
            strays.append(ann)
            # Corners taken for sizes: x2 > x and y2 > y, and both still lie in the image.
            corners += x < w <= width + 1 and y < h <= height + 1
    total = len(coco['annotations'])
    if len(strays) > MAX_STRAY_BOXES * total:
        ann = strays[0]
        guess = 'they look like [x1, y1, x2, y2]; ' if corners == len(strays) else ''
        raise ValueError(
            f'{ann_file}: {len(strays)} of {total} boxes leave their image, as annotation '
            f'{ann.get("id")} with bbox {ann["bbox"]} in an image of {sizes[ann["image_id"]]}; '
            f'{guess}COCO wants [x, y, width, height]'
        )
    return [f'{ann_file}: {len(strays)} of {total} boxes leave their image'] if strays else []
