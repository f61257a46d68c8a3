"""Fixtures: small data sets on disk, and the options that name them to a config."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope='session')
def coco_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four training and three test pictures of 72x96 with one rectangle each, two classes."""
    root = tmp_path_factory.mktemp('coco')
    rng = np.random.default_rng(0)
    for split, count in (('train', 4), ('val', 3)):
        (root / split).mkdir()
        images, annotations = [], []
        for i in range(count):
            picture = rng.integers(0, 90, (72, 96, 3), np.uint8)
            x, y, w, h = (int(v) for v in rng.integers((8, 8, 24, 20), (40, 30, 48, 36)))
            picture[y : y + h, x : x + w] += 120
            Image.fromarray(picture).save(root / split / f'{i}.png')
            images.append(dict(id=i + 1, file_name=f'{i}.png', width=96, height=72))
            corners = [x, y, x + w, y, x + w, y + h, x, y + h]
            annotations.append(
                dict(id=i + 1, image_id=i + 1, category_id=(7, 3)[i % 2], bbox=[x, y, w, h],
                     area=w * h, iscrowd=0, segmentation=[corners])
            )  # fmt: skip
        categories = [dict(id=7, name='plate'), dict(id=3, name='door')]  # ids with gaps, unsorted
        coco = dict(images=images, annotations=annotations, categories=categories)
        (root / f'{split}.json').write_text(json.dumps(coco))
    return root


@pytest.fixture(scope='session')
def coco_options(coco_folder: Path) -> list[str]:
    """What makes a config read ``coco_folder``."""
    return [
        f'data.root={coco_folder}', 'data.train_ann=train.json', 'data.train_img=train',
        'data.val_ann=val.json', 'data.val_img=val',
    ]  # fmt: skip


@pytest.fixture(scope='session')
def mask_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four training and two test pictures of 48x64 with masks of the values 0, 1, 2, 5."""
    root = tmp_path_factory.mktemp('masks')
    rng = np.random.default_rng(0)
    for split, count in (('training', 4), ('validation', 2)):
        for kind in ('images', 'annotations'):
            (root / kind / split).mkdir(parents=True)
        for i in range(count):
            mask = np.repeat(np.repeat(rng.choice([0, 1, 2, 5], (6, 8)), 8, 0), 8, 1).astype(
                np.uint8
            )
            picture = np.stack([mask * 40, mask * 20, 255 - mask * 40], -1)
            Image.fromarray(picture).save(root / 'images' / split / f'{i}.png')
            Image.fromarray(mask).save(root / 'annotations' / split / f'{i}.png')
    (root / 'classes.txt').write_text('1 grass\n2 wall\n5 sky\n')
    return root


@pytest.fixture(scope='session')
def mask_options(mask_folder: Path) -> list[str]:
    """What makes a config read ``mask_folder``."""
    return [f'data.root={mask_folder}', 'data.classes=classes.txt', 'data.ignore_labels=0']
