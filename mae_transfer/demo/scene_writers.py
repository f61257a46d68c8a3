"""Writes scenes as files, in the layouts that OpenMMLab's dataset classes read.

A shard is a range of pictures of one split; shards are independent, so processes share nothing.
``scenes`` chooses the shards and merges their results.
"""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from mae_transfer.demo.scene_render import CLASSES, Scene, SceneConfig, render_scene

SEGMENTATION_CLASSES = ('background', *CLASSES)
ADE_SPLITS = {'train': 'training', 'val': 'validation'}
CLASS_FOLDERS = tuple(f'{digit}_{name}' for digit, name in enumerate(CLASSES))  # sorted = digit

_JPEG = [
    *(cv2.IMWRITE_JPEG_QUALITY, 95),
    *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
]
_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 3]


@dataclass(frozen=True)
class Shard:
    """Pictures ``start`` to ``stop`` (exclusive) of one split, for the folder ``root``."""

    root: Path
    config: SceneConfig
    split: str
    start: int
    stop: int


@dataclass
class ShardResult:
    """Result of writing a shard.

    Attributes:
        hashes: SHA-256 of each written file by its path below the root.
        images: Entries of the COCO json, in order of pictures; empty unless the split has boxes.
        annotations: Entries of the COCO json without ``id``, in order of pictures, then objects.
    """

    hashes: dict[str, str] = field(default_factory=dict)
    images: list[dict] = field(default_factory=list)
    annotations: list[dict] = field(default_factory=list)


def use_one_thread() -> None:
    """Keep OpenCV from starting threads in one of several processes."""
    cv2.setNumThreads(1)


def write_shard(shard: Shard) -> ShardResult:
    """Render and write a shard to existing folders."""
    result = ShardResult()
    for index in range(shard.start, shard.stop):
        scene = render_scene(shard.config, shard.split, index)
        for name, content in _scene_files(scene, shard.split, index).items():
            (shard.root / name).write_bytes(content)
            result.hashes[name] = hashlib.sha256(content).hexdigest()
        if shard.split in ('train', 'val'):
            image, annotations = coco_entries(scene, index)
            result.images.append(image)
            result.annotations.extend(annotations)
    return result


def folders() -> list[str]:
    """List all folders of the set below its root."""
    flat = ['unlabelled']
    ade = [f'{kind}/{split}' for kind in ('images', 'annotations') for split in ADE_SPLITS.values()]
    imagenet = [f'imagenet/{split}/{name}' for split in ('train', 'val') for name in CLASS_FOLDERS]
    return flat + ade + imagenet


def _scene_files(scene: Scene, split: str, index: int) -> dict[str, bytes]:
    """Return the content of each file of a scene by its path below the root."""
    name = f'{index:06d}'
    if split == 'pretrain':
        return {f'unlabelled/{name}.jpg': _encode('.jpg', scene.image, _JPEG)}
    png = _encode('.png', scene.image, _PNG)
    if split in ADE_SPLITS:
        folder = ADE_SPLITS[split]
        return {
            f'images/{folder}/{name}.png': png,
            f'annotations/{folder}/{name}.png': _encode('.png', scene.label_map, _PNG),
        }
    folder = split.removeprefix('classify_')
    return {f'imagenet/{folder}/{CLASS_FOLDERS[scene.labels[0]]}/{name}.png': png}


def coco_entries(scene: Scene, index: int) -> tuple[dict, list[dict]]:
    """Return a scene's COCO entries: its image (ids from 1) and its annotations, without ``id``.

    Masks are compressed RLE of the visible pixels, boxes (x, y, width, height) of the same pixels.
    """
    height, width = scene.image.shape[:2]
    image = dict(id=index + 1, file_name=f'{index:06d}.png', height=height, width=width)
    annotations = []
    for mask, label, (x1, y1, x2, y2) in zip(
        scene.masks, scene.labels.tolist(), scene.boxes.tolist(), strict=True
    ):
        rle = coco_mask.encode(np.asfortranarray(mask, np.uint8))
        annotations.append(
            dict(
                image_id=index + 1,
                category_id=label + 1,
                segmentation=dict(size=rle['size'], counts=rle['counts'].decode('ascii')),
                bbox=[x1, y1, x2 - x1, y2 - y1],
                area=int(mask.sum()),
                iscrowd=0,
            )
        )
    return image, annotations


def coco_json(images: list[dict], annotations: list[dict]) -> str:
    """Compose the COCO instance file; annotations are numbered from 1 in the given order."""
    return json.dumps(
        dict(
            info=dict(description='Handwritten digits on photographs, made by mae_transfer'),
            images=images,
            annotations=[dict(id=i, **entry) for i, entry in enumerate(annotations, start=1)],
            categories=[dict(id=i, name=name) for i, name in enumerate(CLASSES, start=1)],
        )
    )


def _encode(extension: str, image: np.ndarray, options: list[int]) -> bytes:
    """Encode an RGB or single-channel picture."""
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    done, content = cv2.imencode(extension, image, options)
    assert done, f'OpenCV could not encode {image.shape} {image.dtype} as {extension}'
    return content.tobytes()
