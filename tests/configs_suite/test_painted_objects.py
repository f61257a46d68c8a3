"""Objects in colors of their own: boxes, masks and labels lie where the color is.

Each training pipeline of detection and segmentation draws many times from one painted picture:
mirrored, shrunk, enlarged, cut and missed by crops.
"""

import json
import math
from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import MODELS, DefaultScope

from tests.configs_suite.painted_files import (
    class_names,
    open_files,
    without_random_colors,
    write_files,
)
from tests.configs_suite.reading import EVERY, load, plain

pytestmark = pytest.mark.slow

DRAWS = 40
# On a picture of 64 x 48, to be enlarged: what is painted in red, in green and in blue.
WIDTH, HEIGHT = 64, 48
POLYGONS = {
    'rectangle': [(46, 5), (60, 5), (60, 19), (46, 19)],
    'triangle': [(2, 22), (16, 45), (2, 45)],
    'rhombus': [(50, 29), (59, 35), (50, 41), (41, 35)],
}
RED, GREEN, BLUE = 2, 1, 0  # channels of a picture as mmcv reads it


def distinct(scope: str) -> list[str]:
    """The first recipe of a framework with each training pipeline and preprocessor."""
    found: dict[str, str] = {}
    for path in EVERY:
        cfg = load(path)
        if cfg.default_scope == scope:
            parts = [plain(cfg.train_dataloader.dataset), plain(cfg.model.data_preprocessor)]
            found.setdefault(json.dumps(parts, sort_keys=True), path)
    return list(found.values())


def enlargement(path: str) -> int:
    """By how much the painted picture is enlarged, so that a recipe both shrinks and enlarges."""
    if path.startswith('demo/'):
        return 1
    return 14 if '-ms-' in path else 16 if path.startswith('detection/') else 8


def inside(name: str, scale: int) -> np.ndarray:
    """Pixels whose centers are inside of an object, (H, W); its corners are listed clockwise."""
    y, x = np.mgrid[: HEIGHT * scale, : WIDTH * scale] + 0.5
    x, y = x / scale, y / scale
    corners = POLYGONS[name]
    sides = zip(corners, corners[1:] + corners[:1], strict=True)
    return np.all(
        [(x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) > 0 for (x0, y0), (x1, y1) in sides], 0
    )


def run_lengths(mask: np.ndarray) -> dict:
    """COCO's run-length code of a mask: lengths of zeros and ones in turn, down the columns."""
    values = mask.flatten(order='F').astype(int)
    edges = np.flatnonzero(np.diff(values)) + 1
    lengths = np.diff([0, *edges, len(values)]).tolist()
    return dict(size=list(mask.shape), counts=[0, *lengths] if values[0] else lengths)


def extent(mask: np.ndarray) -> list[int]:
    """Left, top, right and bottom edge of the pixels of a mask."""
    rows, columns = np.nonzero(mask)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def painted_picture(scale: int) -> np.ndarray:
    """A red rectangle, a green triangle and a blue rhombus on black, RGB."""
    shapes = [255 * inside(name, scale).astype(np.uint8) for name in POLYGONS]
    return np.stack(shapes, -1)


def tolerance(sample: dict) -> int:
    """Allowed error of an edge, in pixels: a mask is resized to whole pixels, a picture is not."""
    return math.ceil(1 + max(1.0, *sample['data_samples'].scale_factor))


def grow(mask: np.ndarray, pixels: int) -> np.ndarray:
    kernel = np.ones((2 * pixels + 1, 2 * pixels + 1), np.uint8)
    return cv2.dilate(mask.astype(np.uint8), kernel).astype(bool)


def without_border(mask: np.ndarray, pixels: int) -> np.ndarray:
    """A mask without the pixels next to the border, where an edge may or may not be cut off."""
    inner = np.zeros_like(mask)
    middle = slice(pixels, -pixels)
    inner[middle, middle] = mask[middle, middle]
    return inner


def is_sliver(mask: np.ndarray, pixels: int) -> bool:
    """Whether a mask is so thin that it may be an effect of rounding."""
    kernel = np.ones((pixels + 1, pixels + 1), np.uint8)
    return not cv2.erode(mask.astype(np.uint8), kernel, borderValue=0).any()


def build_preprocessor(cfg: Config) -> torch.nn.Module:
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        return MODELS.build(cfg.model.data_preprocessor)


# ---- detection


def as_objects(cfg: Config, scale: int, form: str) -> tuple[list[dict], list[int]]:
    """COCO's description of what is painted, and the labels: classes that are not in order."""
    names = class_names(cfg.train_dataloader.dataset)
    labels = [7, 2, 5]
    objects = []
    for (shape, corners), label in zip(POLYGONS.items(), labels, strict=True):
        mask = inside(shape, scale)
        left, top, right, bottom = map(int, extent(mask))
        polygon = [float(value) * scale for corner in corners for value in corner]
        objects.append(
            dict(
                category=names[label],
                bbox=[left, top, right - left, bottom - top],
                segmentation=[polygon] if form == 'polygon' else run_lengths(mask),
            )
        )
    crowd = np.zeros_like(mask)  # black on black: never an object
    crowd[scale : 4 * scale, scale : 30 * scale] = True
    objects.append(
        dict(
            category=names[0],
            bbox=[scale, scale, 29 * scale, 3 * scale],
            segmentation=run_lengths(crowd),
            iscrowd=1,
        )
    )
    return objects, labels


class Seen:
    """What the draws of a pipeline have shown so far."""

    def __init__(self) -> None:
        self.flips: set[bool] = set()
        self.scales: list[float] = []
        self.cut = self.missed = self.padded = 0


def check_objects(
    sample: dict, labels: list[int], scale: int, recomputed: bool, seen: Seen
) -> None:
    """Compare the objects of a sample with the colors of its picture."""
    picture, found, error = sample['inputs'].numpy(), sample['data_samples'], tolerance(sample)
    objects = found.gt_instances
    height, width = picture.shape[1:]
    assert tuple(found.img_shape[:2]) == (height, width)
    masks = objects.masks.to_ndarray().astype(bool)
    boxes = objects.bboxes.tensor.numpy()
    assert masks.shape == (len(objects.labels), height, width) and boxes.shape == (len(masks), 4)
    assert sorted(objects.labels.tolist()) == sorted(set(objects.labels.tolist()) & set(labels))
    centers = []
    for channel, label in zip((RED, GREEN, BLUE), labels, strict=True):
        visible = picture[channel] > 127
        centers.append(np.nonzero(visible)[1].mean() if visible.any() else None)
        places = (objects.labels == label).nonzero()[:, 0].tolist()
        if not places:
            assert is_sliver(visible, error), 'an object that is seen is missing'
            seen.missed += 1
            continue
        mask, box = masks[places[0]], boxes[places[0]]
        assert (box[:2] >= 0).all() and (box[2:] <= (width, height)).all()
        if is_sliver(visible, error):
            assert is_sliver(mask, 2 * error)
            continue
        assert not without_border(mask & ~grow(visible, error), error).any()
        assert not without_border(visible & ~grow(mask, error), error).any()
        edges = np.array(extent(visible))
        touches = (edges[:2] <= error).any() or (
            edges[2:] >= np.array([width, height]) - error
        ).any()
        seen.cut += bool(touches)
        if recomputed or channel == RED or not touches:
            slanted = channel != RED  # corners and cuts of slanted edges move by more
            np.testing.assert_allclose(box, edges, rtol=0, atol=(1 + slanted) * error)
        else:  # the cut box of the whole object holds what is seen of it
            assert (box[:2] <= edges[:2] + error).all()
            assert (box[2:] >= edges[2:] - error).all()
        if channel == RED and not touches:
            seen.scales.append((edges[2] - edges[0]) / (14 * scale))
    flip = bool(found.get('flip', False))
    if None not in centers[:2]:  # the rectangle is right of the triangle
        assert (centers[0] > centers[1]) != flip
        seen.flips.add(flip)


@pytest.mark.parametrize('form', ['polygon', 'rle'])
@pytest.mark.parametrize('path', distinct('mmdet'))
def test_detection__boxes_masks_and_labels_lie_where_the_color_is(path, form, tmp_path):
    cfg, scale = load(path), enlargement(path)
    dataset = cfg.train_dataloader.dataset
    objects, labels = as_objects(cfg, scale, form)
    write_files(dataset, tmp_path, [painted_picture(scale)], objects)
    data = open_files(cfg, dataset, tmp_path)
    preprocess, seen = build_preprocessor(cfg), Seen()
    for i in range(DRAWS):
        sample = data[0]
        check_objects(sample, labels, scale, '-lsj-' in path, seen)
        if i % 8 == 0:
            check_padding(path, sample, preprocess)
    assert seen.flips == ({False} if path.startswith('demo/') else {False, True})
    assert min(seen.scales) < 0.9 and max(seen.scales) > 1.05
    assert seen.cut > 5 and seen.missed > 0


def check_padding(path: str, sample: dict, preprocess: Callable) -> None:
    """Outside the picture zeros and no mask; the padded size is the recipe's."""
    height, width = sample['inputs'].shape[1:]
    batch = preprocess(pseudo_collate([sample]), training=True)
    (picture,) = batch['inputs']
    divisor = 8 if path.startswith('demo/') else 32 if '-ms-' in path else 1024
    rows, columns = (-(-side // divisor) * divisor for side in (height, width))
    assert picture.shape == (3, rows, columns)
    assert not picture[:, height:].any() and not picture[:, :, width:].any()
    assert picture[:, :height, :width].any()
    masks = batch['data_samples'][0].gt_instances.masks.to_ndarray()
    assert masks.shape[1:] == (rows, columns)
    assert not masks[:, height:].any() and not masks[:, :, width:].any()


# ---- segmentation

# Values in the mask file of what is black, red, green and blue, and the labels they are to become.
VALUES = {
    'segmentation': ((0, 1, 150, 8), (255, 0, 149, 7)),
    'demo': ((0, 1, 10, 4), (0, 1, 1, 1)),
}


@pytest.mark.parametrize('path', distinct('mmseg'))
def test_segmentation__labels_lie_where_the_color_is(path, tmp_path):
    """Labels of the training pipeline by hand; what the preprocessor pads is ignored."""
    cfg, scale = load(path), enlargement(path)
    dataset = cfg.train_dataloader.dataset
    dataset.pipeline = without_random_colors(dataset.pipeline)
    values, labels = VALUES[path.split('/')[0]]
    mask = np.full((HEIGHT * scale, WIDTH * scale), values[0], np.uint8)
    for name, value in zip(POLYGONS, values[1:], strict=True):
        mask[inside(name, scale)] = value
    write_files(dataset, tmp_path, [painted_picture(scale)], mask=mask)
    data = open_files(cfg, dataset, tmp_path)
    preprocess, seen, shown = build_preprocessor(cfg), Seen(), set()
    for _ in range(DRAWS):
        sample = data[0]
        shown |= set(check_labels(sample, labels, seen))
        size = (64, 64) if path.startswith('demo/') else (512, 512)
        check_ignored_padding(sample, preprocess, size, seen)
    assert shown == set(labels)
    assert seen.flips == ({False} if path.startswith('demo/') else {False, True})
    assert seen.cut > 5 and seen.padded > 5 and seen.padded < DRAWS


def check_labels(sample: dict, labels: tuple[int, ...], seen: Seen) -> list[int]:
    """Compare the labels of a sample with its colors; return those that were there."""
    picture, found, error = sample['inputs'].numpy(), sample['data_samples'], tolerance(sample)
    (seg,) = found.gt_sem_seg.data.numpy()
    assert seg.shape == picture.shape[1:]
    expected = np.full_like(seg, labels[0])
    sure = np.ones(seg.shape, bool)
    centers = []
    for channel, label in zip((RED, GREEN, BLUE), labels[1:], strict=True):
        visible = picture[channel] > 127
        expected[visible] = label
        sure &= ~(grow(visible, error) & grow(~visible, error))
        centers.append(np.nonzero(visible)[1].mean() if visible.any() else None)
        seen.cut += visible[:, -1].any() or visible[-1].any()
    sure = without_border(sure, error)
    np.testing.assert_array_equal(seg[sure], expected[sure])
    assert sure.mean() > 0.4
    flip = bool(found.get('flip', False))
    if None not in centers[:2]:
        assert (centers[0] > centers[1]) != flip
        seen.flips.add(flip)
    return np.unique(expected[sure]).tolist()


def check_ignored_padding(
    sample: dict, preprocess: Callable, size: tuple[int, int], seen: Seen
) -> None:
    """Outside the picture zeros, and labels of 255."""
    height, width = sample['inputs'].shape[1:]
    (before,) = sample['data_samples'].gt_sem_seg.data.clone()
    batch = preprocess(pseudo_collate([sample]), training=True)
    (picture,), (seg,) = batch['inputs'], batch['data_samples'][0].gt_sem_seg.data
    assert picture.shape[1:] == seg.shape == size
    assert torch.equal(seg[:height, :width], before)
    for beside in (seg[height:], seg[:, width:]):
        assert (beside == 255).all()
    assert not picture[:, height:].any() and not picture[:, :, width:].any()
    seen.padded += (height, width) != size
