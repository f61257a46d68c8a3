"""Pictures painted for a test, in the files that a recipe's data set asks for."""

import copy
import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.config import Config, ConfigDict
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS, DefaultScope
from PIL import Image

from tests.configs_suite.tiny_models import framework

# Transforms that change colors at random.
CHANGES_COLORS = re.compile('RandAugment|ColorJitter|RandomErasing|PhotoMetricDistortion')


def without_random_colors(pipeline: list[dict]) -> list[dict]:
    """Leave out of a pipeline what changes colors at random."""
    return [step for step in pipeline if not CHANGES_COLORS.search(step['type'])]


def write_files(
    dataset: ConfigDict,
    root: Path,
    pictures: Sequence[np.ndarray],
    objects: Sequence[dict] = (),
    mask: np.ndarray | None = None,
) -> None:
    """Write pictures, and what is annotated on them, where a data set looks for them.

    Args:
        dataset: Config of the data set.
        root: The folder that is its ``data_root``.
        pictures: RGB (H, W, 3) or gray (H, W), uint8; written without loss.
        objects: For COCO's form: ``category`` (a name), ``segmentation``, ``bbox`` and perhaps
            ``iscrowd`` of the objects on each picture.
        mask: For data sets with masks: the values of the mask file of each picture, (H, W), uint8.
    """
    folder, suffix = picture_folder(dataset, root)
    folder.mkdir(parents=True, exist_ok=True)
    for i, pixels in enumerate(pictures):
        Image.fromarray(pixels).save(folder / f'{i}{suffix}', format='PNG')  # whatever its suffix
    if dataset.type == 'ImageNet':  # its list, as one folder is not a thousand classes
        lines = [f'{folder.name}/{i}{suffix} 0' for i in range(len(pictures))]
        (root / 'meta').mkdir()
        (root / 'meta' / f'{dataset.split}.txt').write_text('\n'.join(lines))
    if 'ann_file' in dataset:
        path = root / dataset.ann_file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(coco_content(dataset, pictures, suffix, objects)))
    if 'seg_map_path' in dataset.get('data_prefix', ()):
        if mask is None:
            mask = np.zeros(pictures[0].shape[:2], np.uint8)
        masks = root / dataset.data_prefix.seg_map_path
        masks.mkdir(parents=True, exist_ok=True)
        for i in range(len(pictures)):
            Image.fromarray(mask).save(masks / f'{i}.png')


def picture_folder(dataset: ConfigDict, root: Path) -> tuple[Path, str]:
    """Folder and suffix of the pictures of a data set."""
    if dataset.type == 'ImageNet':
        return root / dataset.split / 'n01440001', '.JPEG'
    if dataset.type == 'SmallImages':
        return root / dataset.data_prefix / 'airplane', '.png'
    if dataset.type == 'CocoDataset':
        return root / dataset.data_prefix.img, '.png'
    if 'seg_map_path' in dataset.get('data_prefix', ()):
        suffix = dataset.get('img_suffix', '.jpg')  # mmseg's default
        return root / dataset.data_prefix.img_path, suffix
    return root, '.png'


def coco_content(
    dataset: ConfigDict, pictures: Sequence[np.ndarray], suffix: str, objects: Sequence[dict]
) -> dict:
    """Content of an annotation file in COCO's form; its ids are no labels."""
    names = class_names(dataset)
    ids = {name: 3 * i + 5 for i, name in enumerate(names)}
    shapes = [pixels.shape for pixels in pictures]
    images = [
        dict(id=i, file_name=f'{i}{suffix}', height=shape[0], width=shape[1])
        for i, shape in enumerate(shapes)
    ]
    annotations = [
        dict(
            id=len(objects) * i + j + 1,
            image_id=i,
            category_id=ids[item['category']],
            bbox=item['bbox'],
            area=item['bbox'][2] * item['bbox'][3],
            segmentation=item['segmentation'],
            iscrowd=item.get('iscrowd', 0),
        )
        for i in range(len(pictures))
        for j, item in enumerate(objects)
    ]
    categories = [dict(id=ids[name], name=name) for name in names]
    return dict(images=images, annotations=annotations, categories=categories)


def class_names(dataset: ConfigDict) -> Sequence[str]:
    """Names of the classes of a data set of detection, in the order of its labels."""
    if 'metainfo' in dataset:
        return dataset.metainfo.classes
    from mmdet.datasets import CocoDataset

    return CocoDataset.METAINFO['classes']


def open_files(cfg: Config, dataset: ConfigDict, root: Path) -> BaseDataset:
    """Build a data set of a recipe on the files in a folder."""
    framework(cfg)
    dataset = copy.deepcopy(dataset)
    dataset.data_root = str(root)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        return DATASETS.build(dataset)
