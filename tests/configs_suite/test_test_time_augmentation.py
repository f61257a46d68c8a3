"""Several sizes and mirrorings of a picture, averaged: what `tools/test.py --tta` computes.

The segmentor is pointwise: its logits at a pixel depend on that pixel alone. Mirrored or resized,
it gives the same map, so that the average over all views is the map of one view.
"""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import MODELS, DefaultScope
from torch import Tensor, nn

from mae_transfer.run.test_stage import set_tta
from tests.configs_suite.painted_files import open_files, write_files
from tests.configs_suite.reading import EVERY, load, plain
from tests.configs_suite.tiny_models import framework

WITH_TTA = [path for path in EVERY if 'tta_pipeline' in load(path)]
WIDTH, HEIGHT = 96, 72
# Red, green, blue and gray; the pointwise segmentor below calls them classes 0, 1, 2 and 3.
PAINTS = ((250, 20, 20), (20, 250, 20), (20, 20, 250), (120, 120, 120))


@MODELS.register_module()
class Pixels(nn.Module):
    """An encoder that gives the normalized picture itself."""

    def forward(self, x: Tensor) -> tuple[Tensor]:
        return (x,)


def pointwise(cfg: Config) -> dict:
    """A segmentor of 1 x 1 weights with the recipe's own preprocessor and way of testing."""
    return dict(
        type='EncoderDecoder',
        data_preprocessor=cfg.model.data_preprocessor,
        backbone=dict(type='Pixels'),
        decode_head=dict(
            type='FCNHead',
            in_channels=3,
            channels=3,
            in_index=0,
            num_convs=0,
            concat_input=False,
            dropout_ratio=0,
            num_classes=4,
            align_corners=cfg.model.decode_head.align_corners,
        ),
        test_cfg=cfg.model.test_cfg,
    )


def expected_classes() -> np.ndarray:
    """Two halves of different classes, and blocks of two others in opposite corners."""
    classes = np.empty((HEIGHT, WIDTH), int)
    classes[:, : WIDTH // 2], classes[:, WIDTH // 2 :] = 0, 1
    classes[48:, :24], classes[:24, 72:] = 2, 3
    return classes


def beside_an_edge(classes: np.ndarray, pixels: int) -> np.ndarray:
    """Pixels that have another class within a distance."""
    padded = np.pad(classes, pixels, mode='edge')
    size = 2 * pixels + 1
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size))
    return windows.min((-1, -2)) != windows.max((-1, -2))


class Calls:
    """The views that a segmentor was asked for: sizes, whether mirrored, and pictures."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int, int]] = []
        self.flips: list[bool] = []
        self.pictures: list[Tensor] = []


def predict(cfg: Config, root: Path, tta: bool) -> tuple[np.ndarray, Calls]:
    """Segment the first test picture; return its classes and the views."""
    framework(cfg)
    cfg.model = pointwise(cfg)
    if tta:
        set_tta(cfg, 'a test')
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MODELS.build(cfg.model).eval()
    segmentor = model.module if tta else model
    weight, bias = segmentor.decode_head.conv_seg.weight, segmentor.decode_head.conv_seg.bias
    with torch.no_grad():  # each class is the nearest paint: 2 c x - c c
        preprocess = segmentor.data_preprocessor
        mean, std = preprocess.mean.flatten(), preprocess.std.flatten()
        centers = (torch.tensor(PAINTS) - mean) / std
        weight.copy_(2 * centers[..., None, None])
        bias.copy_(-centers.square().sum(1))
    calls, test_step = Calls(), segmentor.predict

    def watch(inputs: Tensor, data_samples: list) -> list:
        calls.sizes.append(tuple(inputs.shape[-2:]))
        calls.flips.append(bool(data_samples[0].get('flip', False)))
        calls.pictures.append(inputs)
        return test_step(inputs, data_samples)

    segmentor.predict = watch
    data = open_files(cfg, cfg.test_dataloader.dataset, root)
    with torch.no_grad():
        (result,) = model.test_step(pseudo_collate([data[0]]))
    classes = result.pred_sem_seg.data.squeeze(0)
    assert classes.shape == (HEIGHT, WIDTH)
    return classes.numpy(), calls


@pytest.fixture
def recipe(request, tmp_path) -> tuple[Config, Path]:
    """A recipe, and a folder with a picture whose halves differ."""
    cfg = load(request.param)
    write_files(
        cfg.test_dataloader.dataset, tmp_path, [np.array(PAINTS, np.uint8)[expected_classes()]]
    )
    return cfg, tmp_path


def first_of_each() -> list[str]:
    """A recipe for each way to augment."""
    ways: dict[str, str] = {}
    for path in WITH_TTA:
        cfg = load(path)
        ways.setdefault(repr(plain([cfg.tta_model, cfg.tta_pipeline, cfg.model.test_cfg])), path)
    return list(ways.values())


def test_recipes__of_ade20k_have_test_time_augmentation():
    assert set(WITH_TTA) == {path for path in EVERY if path.startswith('segmentation/')}


@pytest.mark.parametrize('recipe', first_of_each(), indirect=True)
def test_tta__of_a_pointwise_model_is_its_map(recipe):
    """All sizes and both mirrorings, away from the edges that resizing blurs."""
    cfg, root = recipe
    once, calls = predict(copy.deepcopy(cfg), root, tta=False)
    assert calls.sizes == [(512, 683)] and calls.flips == [False]
    averaged, _ = predict(copy.deepcopy(cfg), root, tta=True)
    expected = expected_classes()
    sure = ~beside_an_edge(expected, 1)
    assert sure.mean() > 0.85
    for classes in (once, averaged):
        np.testing.assert_array_equal(classes[sure], expected[sure])


@pytest.mark.parametrize('recipe', first_of_each(), indirect=True)
def test_tta__uses_every_size_plain_and_mirrored(recipe):
    """BEiT's six ratios, of which .5 and .75 count as 1: short sides of 512 to 896 pixels."""
    cfg, root = recipe
    _, calls = predict(cfg, root, tta=True)
    shorts = [512, 512, 512, 640, 768, 896]
    assert [size[0] for size in calls.sizes[::2]] == shorts
    assert all(abs(size[1] - size[0] * WIDTH / HEIGHT) <= 1 for size in calls.sizes)
    assert calls.flips == [False, True] * 6
    for plain_view, mirrored in zip(calls.pictures[::2], calls.pictures[1::2], strict=True):
        torch.testing.assert_close(mirrored.flip(-1), plain_view, rtol=0, atol=0)
        assert not torch.equal(mirrored, plain_view)


@pytest.mark.parametrize('recipe', first_of_each(), indirect=True)
def test_tta__of_mirrorings_alone_changes_nothing(recipe):
    """Not a pixel: a prediction for a mirrored picture is mirrored back before it is averaged."""
    cfg, root = recipe
    once, _ = predict(copy.deepcopy(cfg), root, tta=False)
    sizes, flips, *rest = cfg.tta_pipeline[1].transforms
    assert [step.prob for step in flips] == [0.0, 1.0]
    for some in (flips, flips[1:]):
        changed = copy.deepcopy(cfg)
        changed.tta_pipeline[1].transforms = [sizes[:1], some, *rest]
        averaged, calls = predict(changed, root, tta=True)
        assert calls.flips == [step.prob == 1.0 for step in some]
        np.testing.assert_array_equal(averaged, once)
