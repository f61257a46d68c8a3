"""Sizes and places of large-scale jitter, against Detectron2's formulas."""

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope

import mae_transfer  # noqa: F401  offers RoIAlign, which mmdet imports
from tests.configs_suite.reading import load, lookup
from tests.configs_suite.tables.detection import DETECT
from tests.references.naive_jitter import (
    naive_box,
    naive_jitter,
    naive_offset,
    naive_size,
    naive_target,
)

PICTURES = [(48, 64), (64, 43), (37, 91), (50, 50)]  # rows, columns
TARGET = (60, 80)  # rows, columns


@pytest.fixture(scope='module')
def transforms():
    """Make the transforms, in MMDetection's scope as a run does."""
    import mmdet.datasets.transforms  # noqa: F401  registers Resize
    from mmdet.registry import TRANSFORMS

    import mae_transfer.data.large_scale_jitter
    import mae_transfer.data.load_polygons  # noqa: F401

    def make(**cfg: object):
        with DefaultScope.overwrite_default_scope('mmdet'):
            return TRANSFORMS.build(cfg)

    return make


def make_resize(transforms, ratio_range: tuple[float, float] = (0.1, 2.0)):
    scale = TARGET[::-1]
    return transforms(
        type='RandomScaleResize', scale=scale, ratio_range=ratio_range, backend='pillow'
    )


def make_crop(transforms, size: tuple[int, int]):
    return transforms(
        type='RandomDiagonalCrop',
        crop_size=size[::-1],
        recompute_bbox=True,
        allow_negative_crop=True,
    )


@pytest.mark.parametrize('size', PICTURES)
def test_random_scale_resize__sizes_are_detectron2s(transforms, size):
    resize = make_resize(transforms)
    np.random.seed(0)
    sizes = [resize(dict(img=np.zeros((*size, 3), np.uint8)))['img_shape'] for _ in range(200)]
    np.random.seed(0)
    ratios = [np.random.uniform(0.1, 2) for _ in range(200)]
    assert sizes == [naive_size(size, TARGET, ratio) for ratio in ratios]
    # The same numbers from a target that is cut to whole pixels, as MMCV's.
    cut = [
        naive_size(size, (int(ratio * TARGET[0]), int(ratio * TARGET[1])), 1.0) for ratio in ratios
    ]
    assert sum(a != b for a, b in zip(sizes, cut, strict=True)) > 50


def test_random_scale_resize__keeps_a_pixel_of_a_thin_picture(transforms):
    """2 x 100 at a ratio of .1: 8 columns and .16 rows."""
    resize = make_resize(transforms, (0.1, 0.1))
    assert resize(dict(img=np.zeros((2, 100, 3), np.uint8)))['img_shape'] == (1, 8)


@pytest.mark.parametrize('margin', [(30, 12), (0, 25), (25, 0), (0, 0), (1, 1023)])
def test_random_diagonal_crop__has_one_number_for_both_axes(transforms, margin):
    crop = make_crop(transforms, (8, 8))
    np.random.seed(0)
    offsets = [crop._rand_offset(margin) for _ in range(500)]
    np.random.seed(0)
    size = (margin[0] + 8, margin[1] + 8)
    assert offsets == [naive_offset(size, (8, 8), np.random.uniform()) for _ in range(500)]
    rows, columns = zip(*offsets, strict=True)
    for places, most in ((rows, margin[0]), (columns, margin[1])):
        assert min(places) <= 0.01 * most and max(places) >= 0.99 * most


@pytest.mark.parametrize('size', PICTURES)
def test_random_diagonal_crop__shows_the_pixels_of_its_place(transforms, size):
    """Each pixel holds its own row and column; a picture smaller than the crop stays whole."""
    image = np.stack([*np.indices(size), np.zeros(size)], 2).astype(np.uint8)
    window = (40, 45)
    crop = make_crop(transforms, window)
    np.random.seed(0)
    numbers = np.random.uniform(size=20)
    np.random.seed(0)
    for number in numbers:
        row, column = naive_offset(size, window, number)
        expected = image[row : row + 40, column : column + 45]
        results = crop(dict(img=image))
        np.testing.assert_array_equal(results['img'], expected)
        assert results['img_shape'] == tuple(min(a, b) for a, b in zip(size, window, strict=True))


def convex_polygon(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Nine points on an ellipse inside a picture, (18,)."""
    radius = rng.uniform(2, 12)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 9))
    center = [rng.uniform(12, side - 12) for side in size[::-1]]
    points = center + radius * np.stack([np.cos(angles), 0.7 * np.sin(angles)], 1)
    return points.reshape(-1)


def jitter(transforms, size, polygons, ratio: float, flip: bool, crop: tuple[int, int]):
    """Objects of one picture after the transforms of the recipes; and the crop's place."""
    instances = [
        dict(bbox=naive_box(polygon).tolist(), bbox_label=i, ignore_flag=0, mask=[polygon.tolist()])
        for i, polygon in enumerate(polygons)
    ]
    image = np.zeros((*size, 3), np.uint8)
    results = dict(img=image, img_shape=size, ori_shape=size, instances=instances)
    for transform in (
        transforms(type='LoadPolygonAnnotations', with_bbox=True, with_mask=True),
        transforms(type='RandomFlip', prob=float(flip)),
        make_resize(transforms, (ratio, ratio)),
    ):
        results = transform(results)
    state = np.random.get_state()
    offset = naive_offset(results['img_shape'], crop, np.random.uniform())
    np.random.set_state(state)
    results = make_crop(transforms, crop)(results)
    recipe = lookup(load(DETECT), 'train_pipeline.FilterAnnotations')
    return transforms(**recipe)(results), offset


@pytest.mark.parametrize('flip', [False, True])
@pytest.mark.parametrize('ratio', [0.1, 0.2, 0.5, 1.0, 2.0])
def test_jitter__boxes_and_targets_are_detectron2s(transforms, ratio, flip):
    """Polygons, boxes and the 28 x 28 targets of boxes of at least one pixel."""
    from mmdet.structures.mask.mask_target import mask_target_single
    from mmengine.config import ConfigDict

    rng = np.random.default_rng(0)
    size, crop = (48, 64), (50, 55)
    polygons = [convex_polygon(rng, size) for _ in range(12)]
    results, offset = jitter(transforms, size, polygons, ratio, flip, crop)
    new_size = naive_size(size, TARGET, ratio)
    expected = [naive_jitter(p, size, flip, new_size, offset, crop) for p in polygons]
    left = [label for label, polygon in enumerate(expected) if len(polygon)]
    assert results['gt_bboxes_labels'].tolist() == left and len(left) >= 6
    boxes = torch.tensor(np.array([naive_box(expected[label]) for label in left]))
    torch.testing.assert_close(results['gt_bboxes'].tensor.double(), boxes, rtol=0, atol=1e-4)
    for index, label in enumerate(left):
        width, height = (boxes[index, 2:] - boxes[index, :2]).tolist()
        if min(width, height) < 1.25:  # MMDetection's target of a box has at least one pixel
            continue
        shift = torch.tensor(rng.uniform(-0.1, 0.1, 4)) * torch.tensor([width, height] * 2)
        box = (boxes[index] + shift).float()[None]
        # clipped to the picture as all proposals are
        box[:, 0::2].clamp_(0, results['img_shape'][1])
        box[:, 1::2].clamp_(0, results['img_shape'][0])
        target = mask_target_single(
            box, torch.tensor([index]), results['gt_masks'], ConfigDict(mask_size=28)
        )
        wanted = naive_target(expected[label], box[0].double().numpy())
        # A corner on the border of two pixels may fall to either side.
        assert np.abs(target[0].numpy() - wanted).sum() <= 2


def test_jitter__a_concave_mask_falls_into_two(transforms):
    """A 'U' of 30 x 30 pixels whose lower part is outside the crop leaves its two arms."""
    u = [0, 0, 10, 0, 10, 20, 20, 20, 20, 0, 30, 0, 30, 30, 0, 30]
    one = dict(bbox=[0, 0, 30, 30], bbox_label=0, ignore_flag=0, mask=[u])
    results = dict(img=np.zeros((18, 40, 3), np.uint8), ori_shape=(18, 40), instances=[one])
    results = transforms(type='LoadPolygonAnnotations', with_bbox=True, with_mask=True)(results)
    results = make_crop(transforms, (50, 50))(results)
    (parts,) = results['gt_masks'].masks
    assert sorted(naive_box(part).tolist() for part in parts) == [[0, 0, 10, 18], [20, 0, 30, 18]]
    assert results['gt_masks'].areas.tolist() == [360]
    assert results['gt_bboxes'].tensor.tolist() == [[0, 0, 30, 18]]


def test_jitter__a_crop_without_objects_is_kept(transforms):
    """Redrawn pictures are those for which a transform returns None.

    A triangle over the lower right half of the picture, and a crop of the upper left half, which
    overlaps the triangle's box but not the triangle.
    """
    np.random.seed(12)  # the crop's number is .26
    triangle = np.array([63.0, 1, 63, 47, 1, 47])
    results, (row, column) = jitter(transforms, (48, 64), [triangle], 2.0, False, (40, 45))
    assert (row, column) == (21, 30)
    assert results is not None and len(results['gt_bboxes']) == len(results['gt_masks']) == 0
    assert results['gt_ignore_flags'].tolist() == results['gt_bboxes_labels'].tolist() == []
