"""RandAugment in a pipeline against a direct call of timm's, and the errors of wrong arguments."""

import random

import numpy as np
import pytest
from mmengine.dataset.utils import worker_init_fn
from PIL import Image, ImageOps
from timm.data.auto_augment import AugmentOp, rand_augment_transform

from mae_transfer.data.timm_rand_augment import TimmRandAugment

PICTURE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)  # blue, green, red


def seeded(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)


def posterize_of_pillow_12(image: Image.Image, bits: int) -> Image.Image:
    return image.point([value - value % 2 ** (8 - bits) for value in range(256)] * 3)


def test_timm_rand_augment__equals_timms_on_an_rgb_picture(monkeypatch):
    monkeypatch.setattr(ImageOps, 'posterize', posterize_of_pillow_12)
    ours = TimmRandAugment('rand-m7-n3-mstd1-inc1', fill_rgb=(9, 80, 200), interpolation='bilinear')
    hparams = dict(img_mean=(9, 80, 200), interpolation=Image.Resampling.BILINEAR)
    theirs = rand_augment_transform('rand-m7-n3-mstd1-inc1', hparams)
    picture = Image.fromarray(np.ascontiguousarray(PICTURE[..., ::-1]))
    for seed in range(100):
        seeded(seed)
        expected = np.asarray(theirs(picture))[..., ::-1]
        seeded(seed)
        results = ours(dict(img=PICTURE.copy()))
        np.testing.assert_array_equal(results['img'], expected)


def test_timm_rand_augment__fills_corners_with_blue_green_red():
    """A picture of one color, turned: the corner is (104, 116, 124) in the order of OpenCV."""
    transform = TimmRandAugment('rand-m9-n1', fill_rgb=(124, 116, 104))
    transform.augment.ops = [AugmentOp('Rotate', 1.0, 9, transform.augment.ops[0].hparams)]
    turned = transform(dict(img=np.full((40, 60, 3), (10, 100, 200), np.uint8)))['img']
    assert turned[0, 0].tolist() == [104, 116, 124]
    assert turned[20, 30].tolist() == [10, 100, 200]
    assert turned.shape == (40, 60, 3) and turned.flags.c_contiguous and turned.flags.writeable


@pytest.mark.parametrize('bits', [0, 1, 3])
def test_timm_rand_augment__posterizes_to_no_bits_as_pillow_12(bits):
    """Magnitude 10 keeps 4 - 4 = 0 bits: a black picture, which Pillow 13 refuses to make."""
    transform = TimmRandAugment('rand-n1-inc1')
    (op,) = (op for op in transform.augment.ops if op.name == 'PosterizeIncreasing')
    op.prob, op.magnitude = 1.0, 10 - 2.5 * bits
    transform.augment.ops = [op]
    kept = transform(dict(img=PICTURE.copy()))['img']
    np.testing.assert_array_equal(
        kept, PICTURE - PICTURE % 2 ** (8 - bits) if bits else 0 * PICTURE
    )


def test_timm_rand_augment__weighs_the_channels_of_gray_by_hand():
    """Solid (B, G, R) = (10, 100, 200), almost without color: near .299 R + .587 G + .114 B = 120.

    Color's least factor is .1: 120 + .1 * (10 - 120) = 109, 118 and 128.
    """
    transform = TimmRandAugment('rand-n1')
    transform.augment.ops = [AugmentOp('Color', 1.0, 0, transform.augment.ops[0].hparams)]
    gray = transform(dict(img=np.full((4, 6, 3), (10, 100, 200), np.uint8)))['img']
    np.testing.assert_allclose(gray[0, 0], [109, 118, 128], atol=1)


def test_timm_rand_augment__draws_follow_the_seeds_of_mmengines_workers():
    transform = TimmRandAugment('rand-m9-mstd0.5-inc1')

    def draws(worker: int) -> np.ndarray:
        worker_init_fn(worker, num_workers=2, rank=0, seed=5)
        return np.stack([transform(dict(img=PICTURE.copy()))['img'] for _ in range(8)])

    np.testing.assert_array_equal(draws(0), draws(0))
    assert (draws(0) != draws(1)).any()


@pytest.mark.parametrize(
    ('config_str', 'section'),
    [
        ('', "''"),
        ('augmix-m3', "'augmix'"),
        ('rand-m9-mstd0.5-inc', "'inc'"),  # timm ignores it
        ('rand-m9.5', "'m9.5'"),  # fails in timm
        ('rand-m9-w0', "'w0'"),
        ('rand-p.5', r"'p\.5'"),  # fails in timm, too
        ('rand-m9-tall', "'tall'"),  # timm takes others in its place
        ('rand_m9', "'rand_m9'"),
    ],
)
def test_timm_rand_augment__names_the_unknown_section(config_str, section):
    with pytest.raises(ValueError, match=rf'config_str=.*: {section} is unknown; it must be'):
        TimmRandAugment(config_str)


@pytest.mark.parametrize(
    'config_str', ['rand', 'rand-m9-mstd0.5-inc1', 'rand-n3-p0.5-mmax12-mstd101', 'rand-tweights']
)
def test_timm_rand_augment__takes_what_timm_takes(config_str):
    assert TimmRandAugment(config_str)(dict(img=PICTURE.copy()))['img'].shape == PICTURE.shape


@pytest.mark.parametrize(
    'wrong', [dict(fill_rgb=(1, 2)), dict(fill_rgb=(1, 2, 256)), dict(interpolation='lanczos')]
)
def test_timm_rand_augment__wrong_arguments_are_errors(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        TimmRandAugment('rand-m9', **wrong)


@pytest.mark.parametrize('img', [PICTURE.astype(np.float32), PICTURE[..., 0], PICTURE[..., :1]])
def test_timm_rand_augment__other_pictures_are_errors(img):
    with pytest.raises(ValueError, match=r'takes \(H, W, 3\) of uint8'):
        TimmRandAugment('rand-m9')(dict(img=img))
