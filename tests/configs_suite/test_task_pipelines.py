"""What the pipelines of the detection recipes make of a picture of 60 x 80 pixels."""

import numpy as np
import pytest
import torch
from mmengine.registry import DATASETS, DefaultScope

from tests.configs_suite.reading import load
from tests.configs_suite.tables import detection
from tests.configs_suite.tiny_data import make_coco
from tests.configs_suite.tiny_models import framework

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


@pytest.mark.parametrize('path', [detection.DETECT, detection.FPN])
def test_large_scale_jitter__scales_and_crops_as_published(draw, path):
    """1024 times .1 to 2 for the longer side, cropped to 1024; the model pads the rest."""
    sizes = [tuple(sample['inputs'].shape[-2:]) for sample in draw(path, 60)]
    assert all(height <= 1024 and width <= 1024 for height, width in sizes)
    widths = [width for _, width in sizes]
    assert min(widths) >= 102 and min(widths) < 300
    assert 15 <= widths.count(1024) <= 50  # a scale of 1 or more: 10 of 19 draws
    small = [size for size in sizes if size[1] < 1024]
    assert all(abs(height - 0.75 * width) <= 1 for height, width in small)
