"""A few random pictures in the layout of each data set."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.registry import DATASETS
from PIL import Image


def picture(path: Path, rng: np.random.Generator, size: tuple[int, int] = (80, 60)) -> None:
    """Write a random picture, (width, height) in pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def make_imagenet(root: Path, count: int = 2) -> None:
    rng = np.random.default_rng(0)
    (root / 'meta').mkdir(parents=True)
    for split in ('train', 'val'):
        names = [f'n0144000{i % 2}/{i}.JPEG' for i in range(count)]
        for name in names:
            picture(root / split / name, rng)
        lines = [f'{name} {i % 2}' for i, name in enumerate(names)]
        (root / 'meta' / f'{split}.txt').write_text('\n'.join(lines))


def make_coco(root: Path, count: int = 2) -> None:
    from mmdet.datasets import CocoDataset

    rng = np.random.default_rng(0)
    names = CocoDataset.METAINFO['classes']
    categories = [dict(id=i, name=name) for i, name in enumerate(names, start=1)]
    for split in ('train2017', 'val2017'):
        images, annotations = [], []
        for i in range(1, count + 1):
            width, height = (60, 80) if i > 2 and i % 2 else (80, 60)
            picture(root / split / f'{i}.jpg', rng, (width, height))
            images.append(dict(id=i, file_name=f'{i}.jpg', width=width, height=height))
            box = [10, 10, 40, 30]
            corners = [10, 10, 50, 10, 50, 40, 10, 40]
            annotations.append(
                dict(id=i, image_id=i, category_id=1, iscrowd=0, area=1200, bbox=box,
                     segmentation=[corners])
            )  # fmt: skip
        content = dict(images=images, annotations=annotations, categories=categories)
        path = root / 'annotations' / f'instances_{split}.json'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))


def make_ade(root: Path, count: int = 2) -> None:
    rng = np.random.default_rng(0)
    for split in ('training', 'validation'):
        for i in range(count):
            picture(root / 'images' / split / f'{i}.jpg', rng)
            mask = np.zeros((60, 80), np.uint8)
            mask[20:, :40], mask[20:, 40:] = 1, 150
            path = root / 'annotations' / split / f'{i}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask).save(path)


def make_class_folders(root: Path) -> None:
    rng = np.random.default_rng(0)
    for split in ('train', 'val'):
        for name in ('apple_pie', 'waffles'):
            picture(root / split / name / '0.jpg', rng)


def make_cifar(root: Path) -> None:
    rng = np.random.default_rng(0)
    for split in ('train', 'test'):
        for name in ('airplane', 'automobile'):
            picture(root / split / name / '0001.png', rng, (32, 32))


def make_unlabelled(root: Path, count: int = 4) -> None:
    rng = np.random.default_rng(0)
    for i in range(count):
        picture(root / f'{i}.png', rng)


# What a recipe calls its data (its data_root) -> how to make such pictures in a folder.
MAKERS: dict[str, Callable[..., None]] = {
    'data/imagenet': make_imagenet,
    'data/cifar10': make_cifar,
    'data/cifar-mini': make_cifar,
    'data/coco': make_coco,
    'data/ade/ADEChallengeData2016': make_ade,
    'data/demo-scenes/unlabelled': make_unlabelled,
}


def first_sample(cfg: Config, loader: str, root: Path) -> dict:
    """The first sample of one of the config's data sets, read from a folder."""
    dataset = cfg[loader].dataset
    dataset.data_root = str(root)
    return DATASETS.build(dataset)[0]
