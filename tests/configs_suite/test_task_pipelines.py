"""What the pipelines of the detection recipes make of a picture of 60 x 80, and a training step."""

import copy
import json
from pathlib import Path

import numpy as np
import pycocotools.mask as coco_mask
import pytest
import torch
from mmengine.registry import DATASETS, DefaultScope

from tests.configs_suite.reading import load
from tests.configs_suite.tables import detection
from tests.configs_suite.tiny_data import make_coco
from tests.configs_suite.tiny_models import framework, shrink, tiny_model

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def draw(tmp_path_factory):
    """Draw samples of a recipe's training data."""
    root = tmp_path_factory.mktemp('coco')
    cfg = load(detection.CAE)
    framework(cfg)
    make_coco(root)

    def draw_samples(path: str, number: int) -> list[dict]:
        dataset = load(path).train_dataloader.dataset
        dataset.data_root = str(root)
        np.random.seed(0)
        with DefaultScope.overwrite_default_scope('mmdet'):
            dataset = DATASETS.build(dataset)
            return [dataset[0] for _ in range(number)]

    return draw_samples


def test_multi_scale__short_sides_are_the_published_ones(draw):
    """480 to 800 in steps of 32; long sides at most 1333, which a crop may turn upright."""
    samples = draw(detection.CAE, 60)
    sizes = [tuple(sample['inputs'].shape[-2:]) for sample in samples]
    shorts = {min(size) for size in sizes if max(size) < 1333}
    assert shorts <= set(range(480, 801, 32)) and len(shorts) >= 8
    assert max(max(size) for size in sizes) <= 1333
    # Without a crop the picture keeps its 3 : 4; with one it does not.
    kept = [abs(size[0] / size[1] - 0.75) < 0.01 for size in sizes]
    assert 15 <= sum(kept) <= 45
    flips = [sample['data_samples'].flip for sample in samples]
    assert 15 <= sum(flips) <= 45


def test_multi_scale__masks_and_boxes_follow_the_picture(draw):
    for sample in draw(detection.CAE, 20):
        objects = sample['data_samples'].gt_instances
        height, width = sample['inputs'].shape[-2:]
        for box, mask in zip(objects.bboxes.tensor, objects.masks.masks, strict=True):
            assert mask.shape == (height, width)
            rows, columns = np.nonzero(mask)
            edges = torch.tensor([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
            # the mask is resized to whole pixels: 1 of 60 is 13 of 800
            torch.testing.assert_close(box, edges.float(), rtol=0, atol=14)


LSJ = [detection.DETECT, detection.FPN, detection.CASCADE]


@pytest.mark.parametrize('path', LSJ)
def test_large_scale_jitter__scales_and_crops_as_published(draw, path):
    """1024 times .1 to 2 for the longer side, cropped to 1024; the model pads the rest."""
    samples = draw(path, 60)
    sizes = [tuple(sample['inputs'].shape[-2:]) for sample in samples]
    assert all(height <= 1024 and width <= 1024 for height, width in sizes)
    widths = [width for _, width in sizes]
    assert min(widths) >= 102 and min(widths) < 300
    assert 15 <= widths.count(1024) <= 50  # a scale of 1 or more: 10 of 19 draws
    small = [size for size in sizes if size[1] < 1024]
    assert all(abs(height - 0.75 * width) <= 1 for height, width in small)
    flips = [sample['data_samples'].flip for sample in samples]
    assert 15 <= sum(flips) <= 45


@pytest.mark.parametrize('path', LSJ)
def test_large_scale_jitter__boxes_are_the_objects_to_a_fraction_of_a_pixel(draw, path):
    """The object, columns 10 to 50 and rows 10 to 40 of 80 x 60, is scaled by the two sides.

    Of a picture that is not cropped; a flip leaves columns 30 to 70.
    """
    checked = 0
    for sample in draw(path, 40):
        objects = sample['data_samples'].gt_instances
        height, width = sample['inputs'].shape[-2:]
        if max(height, width) < 1024:
            left, right = (30, 70) if sample['data_samples'].flip else (10, 50)
            expected = torch.tensor([left / 80, 10 / 60, right / 80, 40 / 60])
            expected *= torch.tensor([width, height, width, height])
            torch.testing.assert_close(objects.bboxes.tensor[0], expected, rtol=0, atol=1e-3)
            (corners,) = objects.masks.masks[0]
            assert sorted(set(corners[0::2])) == pytest.approx(expected[0::2].tolist(), abs=1e-3)
            assert sorted(set(corners[1::2])) == pytest.approx(expected[1::2].tolist(), abs=1e-3)
            checked += 1
    assert checked >= 5


# ---- training on polygons, bitmaps and pictures without objects


def set_mask(root: Path, polygon: list[float], as_rle: bool) -> None:
    """Give the objects of ``make_coco`` another mask, of a picture of 60 x 80 pixels."""
    file = root / 'annotations/instances_train2017.json'
    content = json.loads(file.read_text())
    code = coco_mask.frPyObjects([polygon], 60, 80)[0]
    rle = dict(size=code['size'], counts=code['counts'].decode())
    for ann in content['annotations']:
        left, right = min(polygon[0::2]), max(polygon[0::2])
        top, bottom = min(polygon[1::2]), max(polygon[1::2])
        ann['bbox'] = [left, top, right - left, bottom - top]
        ann['segmentation'] = rle if as_rle else [polygon]
    file.write_text(json.dumps(content))


@pytest.fixture(scope='module')
def samples(tmp_path_factory):
    """Samples of the jitter at 64 pixels: of polygons, of RLE, and without an object."""
    framework(load(detection.DETECT))
    large = [10, 10, 50, 10, 50, 40, 10, 40]
    corner = [79, 39, 79, 39, 79, 59, 59, 59]  # a triangle: some crops have a part of its box alone
    found = {}
    for kind, mask, as_rle in (
        ('polygons', large, False),
        ('bitmaps', large, True),
        ('empty', corner, False),
    ):
        root = tmp_path_factory.mktemp(kind)
        make_coco(root)
        set_mask(root, mask, as_rle)
        dataset = shrink(load(detection.DETECT)).train_dataloader.dataset
        dataset.data_root = str(root)
        np.random.seed(0)
        with DefaultScope.overwrite_default_scope('mmdet'):
            dataset = DATASETS.build(dataset)
            # which is what the data set calls until a sample is not None
            drawn = [dataset.prepare_data(0) for _ in range(100)]
        assert None not in drawn
        objects = [len(sample['data_samples'].gt_instances) for sample in drawn]
        assert set(objects) == ({0, 1} if kind == 'empty' else {1})
        found[kind] = drawn[objects.index(0 if kind == 'empty' else 1)]
    kinds = {kind: type(one['data_samples'].gt_instances.masks) for kind, one in found.items()}
    assert [kind.__name__ for kind in kinds.values()] == [
        'PolygonMasks',
        'BitmapMasks',
        'PolygonMasks',
    ]
    return found


@pytest.mark.parametrize('path', LSJ)
@pytest.mark.parametrize(
    'batch', [('polygons', 'bitmaps'), ('empty', 'polygons'), ('empty', 'empty')], ids='-'.join
)
def test_detector__trains_on_a_batch_of(samples, batch, path):
    """A finite loss, a finite gradient for each parameter, and finite running statistics."""
    model = tiny_model(path).train()
    model.init_weights()
    data = copy.deepcopy([samples[kind] for kind in batch])
    data = {key: [one[key] for one in data] for key in ('inputs', 'data_samples')}
    data = model.data_preprocessor(data, training=True)
    losses = model(**data, mode='loss')
    total, _ = model.parse_losses(losses)
    assert total.isfinite()
    total.backward()
    for name, parameter in model.named_parameters():
        assert not parameter.requires_grad or parameter.grad.isfinite().all(), name
    assert all(buffer.isfinite().all() for buffer in model.buffers())
    masks = [value for name, value in losses.items() if 'loss_mask' in name]
    assert masks and all((value > 0) == (set(batch) != {'empty'}) for value in masks)
    objectness = sum(loss.sum() for loss in losses['loss_rpn_cls'])
    assert objectness > 0  # background is learned where there is no object
