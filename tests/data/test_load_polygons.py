"""Masks stay polygons when a file has them, and nothing that MMDetection reads is lost."""

import copy

import numpy as np
import pycocotools.mask as coco_mask
import pytest
import torch

import mae_transfer  # noqa: F401  offers RoIAlign, which mmdet imports

SIZE = (30, 40)  # rows, columns
CORNERS = [4, 6, 28, 6, 28, 24, 4, 24]
TRIANGLE = [10, 2, 30, 12, 8, 20]


@pytest.fixture(scope='module')
def load():
    """Load objects, given as (mask, ignore flag), with our loader or with MMDetection's."""
    from mmdet.datasets.transforms import LoadAnnotations

    from mae_transfer.data.load_polygons import LoadPolygonAnnotations

    def load_objects(*objects: tuple[object, int], ours: bool = True) -> dict:
        kind = LoadPolygonAnnotations if ours else LoadAnnotations
        instances = [
            dict(bbox=[4.0, 6.0, 28.0, 24.0], bbox_label=label, ignore_flag=flag, mask=mask)
            for label, (mask, flag) in enumerate(objects)
        ]
        loader = kind(with_bbox=True, with_mask=True)
        return loader(copy.deepcopy(dict(instances=instances, ori_shape=SIZE)))

    return load_objects


def rle(polygon: list[float]) -> dict:
    """An outline as the RLE that a json file holds."""
    code = coco_mask.frPyObjects([polygon], *SIZE)[0]
    return dict(size=code['size'], counts=code['counts'].decode())


def test_load_polygons__keeps_every_corner(load):
    masks = load(([CORNERS, TRIANGLE], 0), ([[0.25, 0.5, 9.75, 0.5, 5.125, 8]], 0))['gt_masks']
    assert type(masks).__name__ == 'PolygonMasks' and (masks.height, masks.width) == SIZE
    assert [[part.tolist() for part in mask] for mask in masks.masks] == [
        [CORNERS, TRIANGLE],
        [[0.25, 0.5, 9.75, 0.5, 5.125, 8]],
    ]


def test_load_polygons__of_whole_numbers_can_be_resized(load):
    """In an array of whole numbers, half of 5 would be 2."""
    masks = load(([[5, 7, 29, 7, 29, 25]], 0))['gt_masks'].resize((15, 20))
    np.testing.assert_array_equal(masks.masks[0][0], [2.5, 3.5, 14.5, 3.5, 14.5, 12.5])


@pytest.mark.parametrize('first', [0, 1])
def test_load_polygons__an_rle_makes_bitmaps_of_all_as_mmdetection_does(load, first):
    objects = [([CORNERS], 0), (rle(TRIANGLE), 0)]
    objects = objects[first:] + objects[:first]
    ours, peer = load(*objects), load(*objects, ours=False)
    np.testing.assert_array_equal(ours['gt_masks'].masks, peer['gt_masks'].masks)
    assert ours['gt_masks'].masks.shape == (2, *SIZE) and ours['gt_masks'].masks.any((1, 2)).all()
    assert not ours['gt_ignore_flags'].any()


def test_load_polygons__each_picture_has_a_kind_of_its_own(load):
    """One loader reads a picture with polygons, one with RLE, and one with polygons."""
    from mae_transfer.data.load_polygons import LoadPolygonAnnotations

    loader = LoadPolygonAnnotations(with_bbox=True, with_mask=True)
    kinds = []
    for mask in ([CORNERS], rle(CORNERS), [CORNERS]):
        one = dict(bbox=[4, 6, 28, 24], bbox_label=0, ignore_flag=0, mask=mask)
        results = loader(dict(instances=[one], ori_shape=SIZE))
        kinds.append(type(results['gt_masks']).__name__)
    assert kinds == ['PolygonMasks', 'BitmapMasks', 'PolygonMasks']


def test_load_polygons__a_crowd_does_not_decide(load):
    """COCO's crowds are RLE: their outline becomes their box, and they are still ignored."""
    results = load((rle(TRIANGLE), 1), ([CORNERS], 0))
    assert type(results['gt_masks']).__name__ == 'PolygonMasks'
    assert results['gt_masks'].masks[0][0].tolist() == [4, 6, 28, 6, 28, 24, 4, 24]
    assert results['gt_ignore_flags'].tolist() == [True, False]
    boxes = results['gt_masks'].get_bboxes('hbox').tensor
    torch.testing.assert_close(boxes[0], torch.tensor([4.0, 6.0, 28.0, 24.0]))


MALFORMED = {
    'an empty list in the list': [[]],
    'two points': [[4, 6, 28, 24]],
    'odd number': [[4, 6, 28, 6, 28, 24, 4]],
    'odd number beside a triangle': [[4, 6, 28, 6, 28, 24, 4], TRIANGLE],
    'all in one point': [[5, 5, 5, 5, 5, 5]],
    'on a line': [[4, 6, 10, 12, 20, 22]],
    'outside the picture': [[50, 40, 70, 40, 60, 60]],
    'an RLE without counts': dict(size=[30, 40]),
    'a crossing of itself': [[4, 4, 20, 20, 20, 4, 4, 20]],
}


@pytest.mark.parametrize('mask', MALFORMED.values(), ids=MALFORMED)
def test_load_polygons__takes_what_mmdetection_takes(load, mask):
    """The same objects are ignored; what is left covers the same pixels."""
    objects = [(mask, 0), ([CORNERS], 0)]
    ours, peer = load(*objects), load(*objects, ours=False)
    for key in ('gt_ignore_flags', 'gt_bboxes_labels'):
        np.testing.assert_array_equal(ours[key], peer[key])
    np.testing.assert_array_equal(ours['gt_masks'].to_ndarray(), peer['gt_masks'].masks)


def test_load_polygons__of_a_picture_without_objects(load):
    masks = load()['gt_masks']
    assert len(masks) == 0 and masks.to_ndarray().shape == (0, *SIZE)
