"""The samplers of masks behind one interface, alone and inside the model."""

import pytest
import torch
from mmpretrain.registry import TASK_UTILS

from mae_transfer.masking.block_mask import block_mask
from mae_transfer.masking.random_mask import random_mask
from mae_transfer.masking.token_index import mask_from_restore
from mae_transfer.pretrain import MaskedAutoencoder
from tests.pretrain.test_mae import build

GRID = (6, 8)


def sample(batch: int = 5, seed: int = 0, **config) -> tuple[torch.Tensor, ...]:
    sampler = TASK_UTILS.build(config)
    return sampler(batch, GRID, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ('config', 'num_keep'),
    [
        (dict(type='RandomMasking'), 12),
        (dict(type='RandomMasking', mask_ratio=0.5), 24),
        (dict(type='BlockMasking'), 12),
        (dict(type='BlockMasking', mask_ratio=0.5, min_block=4, max_block=8, min_aspect=0.5), 24),
        (dict(type='BlockMasking', mask_ratio=0.9), 4),  # int(48 * .1)
        (dict(type='GridMasking'), 12),
    ],
)
def test_sampler__keeps_the_same_number_in_each_image_and_partitions(config, num_keep):
    ids_keep, ids_mask, ids_restore = sample(**config)
    assert ids_keep.shape == (5, num_keep) and ids_mask.shape == (5, 48 - num_keep)
    shuffled = torch.cat([ids_keep, ids_mask], dim=1)
    assert (shuffled.sort(dim=1).values == torch.arange(48)).all()
    assert (shuffled.gather(1, ids_restore) == torch.arange(48)).all()


def test_random_masking__draws_as_the_function():
    expected = random_mask(5, 48, 0.75, generator=torch.Generator().manual_seed(3))
    assert all(
        (a == b).all() for a, b in zip(sample(seed=3, type='RandomMasking'), expected, strict=True)
    )


def test_block_masking__hands_its_options_on():
    options = dict(min_block=2, max_block=6, min_aspect=0.8)
    ids_keep, _, ids_restore = sample(seed=3, type='BlockMasking', **options)
    mask = mask_from_restore(ids_restore, ids_keep.shape[1])
    expected = block_mask(5, GRID, 36, generator=torch.Generator().manual_seed(3), **options)
    assert (mask == expected).all()


def test_grid_masking__rejects_another_ratio():
    with pytest.raises(ValueError, match='mask_ratio=0.5'):
        sample(type='GridMasking', mask_ratio=0.5)


def with_masking(masking: dict | None, mask_ratio: float = 0.75) -> MaskedAutoencoder:
    model = build(img_size=(32, 48))  # 4 x 6 patches
    parts = ('backbone', 'neck', 'head', 'target_generator')
    return MaskedAutoencoder(
        **{name: getattr(model, name) for name in parts}, masking=masking, mask_ratio=mask_ratio
    )


@pytest.mark.parametrize(
    ('masking', 'ratio', 'hidden'),
    [
        (None, 0.6, 15),  # int(24 * .4) = 9 stay
        (dict(type='BlockMasking', min_block=2), 0.5, 12),
        (dict(type='GridMasking'), 0.75, 18),
    ],
)
def test_mae__hides_what_its_sampler_says(masking, ratio, hidden):
    model = with_masking(masking, ratio)
    loss = model.loss(torch.randn(3, 3, 32, 48))['loss']
    loss.backward()
    assert loss.isfinite() and loss > 0
    _, mask = model.predict_patches(torch.randn(3, 3, 32, 48))
    assert (mask.sum(1) == hidden).all()
    if masking and masking['type'] == 'GridMasking':
        assert not mask.reshape(3, 4, 6)[:, ::2, ::2].any()


def test_mae__rejects_a_ratio_in_two_places():
    with pytest.raises(ValueError, match='give mask_ratio to the model'):
        with_masking(dict(type='BlockMasking', mask_ratio=0.5))
