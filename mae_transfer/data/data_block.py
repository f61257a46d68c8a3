"""Train on your own data with one short `data` block instead of a dozen config keys.

A config's data sets, loaders and evaluators stay complete, so that a plain mmengine Runner works
with them. `data` holds only what replaces a part of them; what is absent or None changes nothing:

    tools/train.py CONFIG --cfg-options data.root=cells data.train_ann=annotations/train.json ...

| key | detection | segmentation | pictures (pre-training, classification) |
| --- | --- | --- | --- |
| root | folder of all that follows | same | same |
| train_img, val_img | folder of the images | same | same; to classify, with one folder a class |
| train_ann, val_ann | COCO json | folder of the masks | - |
| test_img, test_ann | absent: as for val | same | - |
| classes | - (read from the json) | text file, lines 'road' or '7 road' | - (folder names) |
| ignore_labels | - | values of the masks to leave out of training, besides 255 | - |
| label_map | - | value -> label or 'ignore', instead of the order in the class file | - |
| img_suffix, ann_suffix | - | ends of file names; read off the folders when absent | - |
| max_bad_share | share of unreadable pictures above which a training stops (0.01) | same | same |

A config may carry the block, for readers: `data = dict(root=None, train_img=None, ...)`. The task
is the config's `default_scope`. `apply_data_block` comes after `--cfg-options` are merged and
before `resolve_data_roots`; of files it reads only the class file and the names in image folders.
"""

import os
from collections.abc import Iterable, MutableMapping

from mae_transfer.data.bad_files import max_bad_share
from mae_transfer.data.coco_classes import COCO_TYPES
from mae_transfer.data.config_datasets import (
    base_type,
    data_path,
    iter_datasets,
    iter_evaluators,
    iter_pipelines,
)
from mae_transfer.data.image_files import common_suffix
from mae_transfer.data.label_map import read_class_file
from mae_transfer.data.num_classes import drop_class_weights, set_num_classes

SPLIT_KEYS = ('root', 'train_img', 'train_ann', 'val_img', 'val_ann', 'test_img', 'test_ann')
BLOCK_KEYS = {
    'mmdet': SPLIT_KEYS,
    'mmseg': (*SPLIT_KEYS, 'classes', 'ignore_labels', 'label_map', 'img_suffix', 'ann_suffix'),
    'mmpretrain': ('root', 'train_img', 'val_img'),
}
FOR_ALL = ('max_bad_share',)  # any config takes it, with data of any kind


def apply_data_block(cfg: MutableMapping, given: Iterable[str] = ()) -> list[str]:
    """Spread the config's `data` block over data sets, evaluators and heads.

    Args:
        cfg: The whole config, changed in place.
        given: Keys of `--cfg-options`. A key that the block would overwrite is an error.

    Returns:
        Lines that say what was set; empty without a block.

    Raises:
        ValueError: An unknown key, one that the block and ``given`` both set, or a value that
            is not allowed.
        FileNotFoundError: The class file or an image folder that must be listed is missing.
    """
    block = {key: value for key, value in (cfg.get('data') or {}).items() if value is not None}
    if not block:
        return []
    scope = str(cfg.get('default_scope'))
    known = (*BLOCK_KEYS.get(scope, ()), *FOR_ALL)
    for key in block:
        if key not in known:
            raise ValueError(
                f'data.{key} is not a key for a config of {scope}; the keys are {", ".join(known)}'
            )
    max_bad_share(cfg)  # read by BadFilesHook, for which it stays in the block
    lines = [f'data: {", ".join(f"{key}={value}" for key, value in block.items())}']
    of_the_data = {key: value for key, value in block.items() if key not in FOR_ALL}
    if of_the_data:
        spread = {'mmdet': _spread_coco, 'mmseg': _spread_masks, 'mmpretrain': _spread_pictures}
        lines += spread[scope](cfg, of_the_data, set(given))
    return lines


def _stage_value(block: dict, stage: str, what: str) -> object:
    """Value of a stage; the test stage has that of the validation stage unless it sets its own."""
    value = block.get(f'{stage}_{what}')
    return block.get(f'val_{what}') if value is None and stage == 'test' else value


def _write(key: str, node: MutableMapping, path: str, value: object, given: set[str]) -> None:
    """Set one value of a data set config; refuse a key that `--cfg-options` set as well."""
    if value is None:
        return
    if f'{key}.{path}' in given:
        raise ValueError(
            f'--cfg-options gives {key}.{path} and the data block sets it too: give one of them'
        )
    *parents, last = path.split('.')
    for parent in parents:
        node = node.setdefault(parent, {})
    node[last] = value


def _spread_coco(cfg: MutableMapping, block: dict, given: set[str]) -> list[str]:
    for stage in ('train', 'val', 'test'):
        ann_file = None
        for key, dataset in iter_datasets(cfg, [f'{stage}_dataloader']):
            if base_type(dataset) not in COCO_TYPES:
                raise ValueError(
                    f'{key} is a {base_type(dataset)}: a data block needs a CocoDataset'
                )
            _write(key, dataset, 'data_root', block.get('root'), given)
            _write(key, dataset, 'ann_file', _stage_value(block, stage, 'ann'), given)
            _write(key, dataset, 'data_prefix.img', _stage_value(block, stage, 'img'), given)
            if block.get('root') or _stage_value(block, stage, 'ann'):
                # Another file has other classes, which set_coco_classes reads from it.
                dataset['metainfo'] = None
            ann_file = data_path(dataset, dataset.get('ann_file'))
        for evaluator in iter_evaluators(cfg, stage):
            if ann_file:
                _write(f'{stage}_evaluator', evaluator, 'ann_file', ann_file, given)
    return []


def _spread_masks(cfg: MutableMapping, block: dict, given: set[str]) -> list[str]:
    lines = []
    for stage in ('train', 'val', 'test'):
        for key, dataset in iter_datasets(cfg, [f'{stage}_dataloader']):
            _write(key, dataset, 'data_root', block.get('root'), given)
            _write(key, dataset, 'data_prefix.img_path', _stage_value(block, stage, 'img'), given)
            _write(
                key, dataset, 'data_prefix.seg_map_path', _stage_value(block, stage, 'ann'), given
            )
            for name, folder_key in (
                ('img_suffix', 'img_path'),
                ('seg_map_suffix', 'seg_map_path'),
            ):
                suffix = block.get('img_suffix' if name == 'img_suffix' else 'ann_suffix')
                folder = data_path(dataset, dataset['data_prefix'].get(folder_key))
                _write(key, dataset, name, suffix or common_suffix(folder), given)
    if any(key in block for key in ('classes', 'ignore_labels', 'label_map')):
        lines += _set_mask_classes(cfg, block)
        dropped = drop_class_weights(cfg, given)
        lines += [f'{key} is dropped: it was for other classes' for key in dropped]
    return lines


def _set_mask_classes(cfg: MutableMapping, block: dict) -> list[str]:
    """Class names, label map and `num_classes` from the block, in every data set and head."""
    if 'classes' not in block:
        raise ValueError(
            'data.ignore_labels and data.label_map need data.classes, a text file of names'
        )
    path = block['classes']
    if not os.path.isfile(path):  # then it is below root, as the other paths are
        path = os.path.join(block.get('root') or '', path)
    names, values = read_class_file(path)
    map_labels = {'type': 'MapLabels', 'ignore_labels': block.get('ignore_labels', [])}
    if 'label_map' in block:
        labels = {to for to in block['label_map'].values() if to != 'ignore'}
        if not labels <= set(range(len(names))):
            raise ValueError(
                f'data.label_map maps to {sorted(labels)}, but {path} names the labels 0 to '
                f'{len(names) - 1}'
            )
        map_labels['label_map'] = dict(block['label_map'])
    elif values is not None:
        map_labels['label_map'] = {value: label for label, value in enumerate(values)}
    else:
        map_labels['num_classes'] = len(names)
    for _, dataset in iter_datasets(cfg):
        # Other types have classes of their own, and some shift their labels.
        dataset['type'] = 'BaseSegDataset'
        dataset['reduce_zero_label'] = False
        dataset['metainfo'] = {'classes': tuple(names)}
        for steps in iter_pipelines(dataset):
            steps[:] = _with_map_labels(steps, map_labels)
    former = set_num_classes(cfg, len(names))
    changed = [f'{key} {old} -> {len(names)}' for key, old in former.items() if old != len(names)]
    return [
        f'{len(names)} classes from {path}' + (': set ' + ', '.join(changed) if changed else '')
    ]


def _with_map_labels(steps: list, map_labels: dict) -> list:
    """The transforms with one MapLabels after each LoadAnnotations, and no shift of labels."""
    mapped = []
    for step in steps:
        name = base_type(step) if isinstance(step, MutableMapping) else ''
        if name == 'MapLabels':
            continue
        mapped.append(step)
        if name == 'LoadAnnotations':
            step.pop('reduce_zero_label', None)
            mapped.append(type(step)(map_labels))
    return mapped


def _spread_pictures(cfg: MutableMapping, block: dict, given: set[str]) -> list[str]:
    """A folder of pictures: unlabeled for a self-supervised config, else one folder per class."""
    # A head that states num_classes needs labels; a copy is asked, since asking sets the number.
    labeled = bool(set_num_classes({'model': {'head': dict(cfg['model'].get('head') or {})}}, 1))
    classes: dict[str, list[str]] = {}
    for stage in ('train', 'val', 'test'):
        for key, dataset in iter_datasets(cfg, [f'{stage}_dataloader']):
            _write(key, dataset, 'data_root', block.get('root'), given)
            _write(key, dataset, 'data_prefix', _stage_value(block, stage, 'img'), given)
            if base_type(dataset) != 'SmallImages':  # which reads folders as well
                # These belong to the former type, such as ImageNet.
                for name in ('split', 'ann_file', 'metainfo'):
                    dataset.pop(name, None)
                dataset['type'] = 'CustomDataset'
                dataset['with_label'] = labeled
            folder = data_path(dataset, dataset.get('data_prefix'))
            if labeled and os.path.isdir(folder):
                classes[folder] = sorted(
                    entry.name for entry in os.scandir(folder) if entry.is_dir()
                )
    if not classes:
        return []
    first, *others = classes
    for other in others:
        if classes[other] != classes[first]:
            raise ValueError(
                f'{first} and {other} hold folders of different classes:\n'
                f'  {classes[first]}\n  {classes[other]}'
            )
    num_classes = len(classes[first])
    set_num_classes(cfg, num_classes)
    return [
        f'{num_classes} classes from the folders of {first}',
        *_drop_impossible_topk(cfg, num_classes),
    ]


def _drop_impossible_topk(cfg: MutableMapping, num_classes: int) -> list[str]:
    """Leave out top-5 accuracy where there are fewer classes, which the metric would refuse."""
    lines = []
    for key in ('val_evaluator', 'test_evaluator'):
        evaluator = cfg.get(key) or []
        for one in evaluator if isinstance(evaluator, list | tuple) else [evaluator]:
            topk = one.get('topk')
            if isinstance(topk, list | tuple) and max(topk) > num_classes:
                one['topk'] = tuple(k for k in topk if k <= num_classes)
                lines.append(
                    f'{key}.topk {tuple(topk)} -> {one["topk"]}: there are no more classes'
                )
    return lines
