"""Small data sets of every task with some broken files, and the options that name them."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image

CLASSIFIER = """
_base_ = '{mae}'
model = dict(
    _delete_=True, type='ImageClassifier',
    data_preprocessor=dict(mean=[120.0] * 3, std=[60.0] * 3, to_rgb=True),
    backbone=dict(type='PlainViT', img_size=32, patch_size=16,
                  arch=dict(embed_dims=16, num_layers=1, num_heads=2, mlp_ratio=2)),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=2, in_channels=16,
              loss=dict(type='CrossEntropyLoss')),
)
train_dataloader = dict(dataset=dict(pipeline=[
    dict(type='LoadImageFromFile'), dict(type='Resize', scale=32), dict(type='CenterCrop', crop_size=32),
    dict(type='PackInputs')]))
val_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
    dataset=dict(type='ImageNet', data_root='data/imagenet', split='val', pipeline=[
        dict(type='LoadImageFromFile'), dict(type='Resize', scale=32),
        dict(type='CenterCrop', crop_size=32), dict(type='PackInputs')]),
)
val_evaluator = dict(type='Accuracy', topk=(1,))
val_cfg = dict()
"""  # noqa: E501

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
TASKS = ('pretrain', 'classify', 'detect', 'segment')


def change(change_bytes: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """A damage that writes other bytes to a file."""
    return lambda path: path.write_bytes(change_bytes(path.read_bytes())) and None


def in_three_channels(path: Path) -> None:
    Image.open(path).convert('RGB').save(path)


def at_half_size(path: Path) -> None:
    image = Image.open(path)
    image.resize((image.width // 2, image.height // 2), Image.Resampling.NEAREST).save(path)


DAMAGES: dict[str, Callable[[Path], None]] = {
    'missing': Path.unlink,
    'empty': change(lambda content: b''),
    'text': change(lambda content: b'<html>404 Not Found</html>\n' * 20),
    'half': change(lambda content: content[: len(content) // 2]),
    'without its end': change(lambda content: content[:-40]),
    'zeros': change(lambda content: bytes(len(content))),
}
MASK_DAMAGES = {**DAMAGES, 'color mask': in_three_channels, 'small mask': at_half_size}


def write_pictures(folder: Path, count: int, size: tuple[int, int] = (64, 48)) -> list[Path]:
    """Write JPEG files of a few kilobytes, (width, height) pixels."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(count)
    paths = [folder / f'{i:02d}.jpg' for i in range(count)]
    for path in paths:
        Image.fromarray(rng.integers(0, 255, (size[1], size[0], 3), np.uint8)).save(path)
    return paths


def write_data(task: str, root: Path, count: int = 40) -> tuple[list[Path], list[Path], list[str]]:
    """Write data for a task.

    Args:
        task: One of ``TASKS``.
        root: Folder to write to.
        count: Pictures for training; four are for validation.

    Returns:
        The training pictures, the training masks of a segmentation, and the arguments of
        `tools/train.py` that name config and data.
    """
    if task == 'segment':
        return _write_masks(root, count)
    if task == 'detect':
        paths = _write_coco(root, 'train', count)
        _write_coco(root, 'val', 4)
        names = ['train_ann=train.json', 'train_img=train', 'val_ann=val.json', 'val_img=val']
        config = CONFIGS / 'tiny_mask_rcnn.py'
    elif task == 'classify':
        paths = [
            path for name in 'ab' for path in write_pictures(root / 'train' / name, count // 2)
        ]
        for name in 'ab':
            write_pictures(root / 'val' / name, 2)
        names = ['train_img=train', 'val_img=val']
        config = root / 'tiny_classifier.py'
        config.write_text(CLASSIFIER.format(mae=CONFIGS / 'tiny_mae.py'))
    else:
        paths = write_pictures(root / 'train', count)
        names, config = ['train_img=train'], CONFIGS / 'tiny_mae.py'
    options = [f'data.{name}' for name in (f'root={root}', *names)]
    return paths, [], [str(config), '--cfg-options', *options]


def _write_coco(root: Path, split: str, count: int) -> list[Path]:
    paths = write_pictures(root / split, count)
    images = [dict(id=i, file_name=path.name, width=64, height=48) for i, path in enumerate(paths)]
    corners = [8, 8, 40, 8, 40, 32, 8, 32]
    box = dict(bbox=[8, 8, 32, 24], area=768, iscrowd=0, segmentation=[corners], category_id=1)
    boxes = [dict(id=i + 1, image_id=i, **box) for i in range(count)]
    coco = dict(images=images, annotations=boxes, categories=[dict(id=1, name='plate')])
    (root / f'{split}.json').write_text(json.dumps(coco))
    return paths


def _write_masks(root: Path, count: int) -> tuple[list[Path], list[Path], list[str]]:
    found: dict[str, list[list[Path]]] = {}
    for split, number in (('training', count), ('validation', 4)):
        pictures = write_pictures(root / 'images' / split, number)
        (root / 'annotations' / split).mkdir(parents=True)
        masks = [root / 'annotations' / split / f'{path.stem}.png' for path in pictures]
        for i, path in enumerate(masks):
            labels = np.random.default_rng(i).integers(1, 4, (48, 64), np.uint8)
            Image.fromarray(labels).save(path)
        found[split] = [pictures, masks]
    (root / 'classes.txt').write_text('1 grass\n2 wall\n3 sky\n')
    options = [f'data.root={root}', 'data.classes=classes.txt', 'data.ignore_labels=0']
    pictures, masks = found['training']
    return pictures, masks, [str(CONFIGS / 'tiny_upernet.py'), '--cfg-options', *options]


def break_files(paths: Iterable[Path], damage: str) -> None:
    """Damage files in place."""
    for path in paths:
        MASK_DAMAGES[damage](path)
