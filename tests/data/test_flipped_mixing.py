"""Mixup and CutMix with the flipped batch: timm's own on the same draws."""

import numpy as np
import pytest
import torch
from mmpretrain.models import LabelSmoothLoss, RandomBatchAugment
from mmpretrain.registry import BATCH_AUGMENTS
from timm.data.mixup import Mixup
from torch.nn import functional
from torch.testing import assert_close

from mae_transfer.data.flipped_mixing import FlippedCutMix, FlippedMixup

CLASSES, SIZE = 7, (24, 40)
TIMM = dict(prob=1.0, switch_prob=0.5, mode='batch', label_smoothing=0.1, num_classes=CLASSES)


def make_batch(size: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(size)
    images = torch.randn(size, 3, *SIZE, generator=generator)
    return images, torch.randint(CLASSES, (size,), generator=generator)


def smoothed(scores: torch.Tensor) -> torch.Tensor:
    """Targets as the recipe's loss makes them of the mixed scores."""
    loss = LabelSmoothLoss(label_smooth_val=0.1, num_classes=CLASSES, mode='original')
    return loss.smooth_label(scores)


def mix(augment: object, images: torch.Tensor, labels: torch.Tensor) -> tuple:
    scores = functional.one_hot(labels, CLASSES)
    mixed, scores = augment(images.clone(), scores)
    return mixed, smoothed(scores)


def after_timms_first_draw(seed: int) -> None:
    """Seed, and skip the number that timm compares with prob."""
    np.random.seed(seed)
    np.random.rand()


@pytest.mark.parametrize('size', [2, 8])
@pytest.mark.parametrize('seed', range(10))
def test_flipped_mixup__equals_timms(size, seed):
    images, labels = make_batch(size)
    np.random.seed(seed)
    theirs, targets = Mixup(mixup_alpha=0.8, **TIMM)(images.clone(), labels)
    after_timms_first_draw(seed)
    ours, scores = mix(FlippedMixup(alpha=0.8), images, labels)
    assert_close(ours, theirs, rtol=0, atol=0)
    assert_close(scores, targets)


def even_box(seed: int) -> bool:
    """Whether this draw's box has even sides: with odd ones, releases of timm differ by a pixel."""
    after_timms_first_draw(seed)
    share = np.sqrt(1 - np.random.beta(1.0, 1.0))
    return all(int(side * share) % 2 == 0 for side in SIZE)


@pytest.mark.parametrize('size', [2, 8])
@pytest.mark.parametrize('seed', [seed for seed in range(60) if even_box(seed)])
def test_flipped_cutmix__equals_timms(size, seed):
    """The same box, cut by the border or not, and targets by its area."""
    images, labels = make_batch(size)
    np.random.seed(seed)
    theirs, targets = Mixup(mixup_alpha=0.0, cutmix_alpha=1.0, **TIMM)(images.clone(), labels)
    after_timms_first_draw(seed)
    ours, scores = mix(FlippedCutMix(alpha=1.0), images, labels)
    assert_close(ours, theirs, rtol=0, atol=0)
    assert_close(scores, targets)


def test_flipped_cutmix__odd_box_by_hand(monkeypatch):
    """A share of .31 ** 2 is cut: sides .31 * 24 = 7 and .31 * 40 = 12.

    Around (10, 20), with 3 rows above and 3 below (a row is lost): rows 7 to 12, columns 14 to 25,
    72 of 960 pixels.
    """
    monkeypatch.setattr(np.random, 'beta', lambda a, b: 1 - 0.31**2)
    centers = iter([10, 20])
    monkeypatch.setattr(np.random, 'randint', lambda low, high, size=None: next(centers))
    images, labels = make_batch(2)
    mixed, _ = FlippedCutMix(alpha=1.0)(images.clone(), functional.one_hot(labels, CLASSES))
    expected = images.clone()
    expected[:, :, 7:13, 14:26] = images[[1, 0], :, 7:13, 14:26]
    assert_close(mixed, expected, rtol=0, atol=0)
    centers = iter([10, 20])
    _, scores = FlippedCutMix(alpha=1.0)(images.clone(), torch.eye(CLASSES)[[3, 5]])
    assert_close(scores[:, [3, 5]], torch.tensor([[1 - 0.075, 0.075], [0.075, 1 - 0.075]]))


@pytest.mark.parametrize('size', [1, 5, 6])
@pytest.mark.parametrize('kind', [FlippedMixup, FlippedCutMix])
def test_flipped_mixing__partner_is_the_mirrored_picture(monkeypatch, kind, size):
    """Picture after picture; the one in the middle of an odd batch is its own partner."""
    monkeypatch.setattr(np.random, 'beta', lambda a, b: 0.64)
    monkeypatch.setattr(np.random, 'randint', lambda low, high, size=None: 12)
    images, labels = make_batch(size)
    scores = functional.one_hot(labels, CLASSES)
    mixed, mixed_scores = kind(alpha=1.0)(images.clone(), scores)
    if kind is FlippedMixup:
        box, share = (slice(None), slice(None)), 0.36
    else:  # sides .6 * 24 and .6 * 40 around (12, 12), which are 14 and 24
        box, share = (slice(5, 19), slice(0, 24)), 14 * 24 / 960
    for i in range(size):
        partner, expected = images[size - 1 - i], images[i].clone()
        weight = share if kind is FlippedMixup else 1.0
        part = (slice(None), *box)
        expected[part] = (1 - weight) * images[i][part] + weight * partner[part]
        assert_close(mixed[i], expected)
        target = (1 - share) * scores[i] + share * scores[size - 1 - i]
        assert_close(mixed_scores[i], target.float())


def test_flipped_mixing__registered_where_mmpretrain_looks():
    assert BATCH_AUGMENTS.get('FlippedMixup') is FlippedMixup
    assert BATCH_AUGMENTS.get('FlippedCutMix') is FlippedCutMix


def test_flipped_mixing__chosen_as_often_as_timms(monkeypatch):
    """Each batch gets one of the two, each with one half: timm's prob 1 and switch_prob .5."""
    augment = RandomBatchAugment([FlippedMixup(alpha=0.8), FlippedCutMix(alpha=1.0)])
    names = ['FlippedMixup', 'FlippedCutMix']
    for kind in (FlippedMixup, FlippedCutMix):
        monkeypatch.setattr(kind, '__call__', lambda self, *batch: type(self).__name__)
    np.random.seed(0)
    ours = [augment(None, None) for _ in range(4000)]
    timm_mix = Mixup(mixup_alpha=0.8, cutmix_alpha=1.0, **TIMM)
    theirs = [names[int(timm_mix._params_per_batch()[1])] for _ in range(4000)]
    for drawn in (ours, theirs):
        assert set(drawn) == set(names)
        assert abs(drawn.count('FlippedMixup') / 4000 - 0.5) < 4 * (0.25 / 4000) ** 0.5
