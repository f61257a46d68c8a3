"""Blocks against CAE's sampler written as a loop, and against its rules."""

import pytest
import torch

from mae_transfer.masking.block_mask import block_mask, propose_blocks
from tests.references.naive_block_mask import naive_block_mask


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    'options', [{}, dict(min_block=4, max_block=20, min_aspect=0.5)], ids=['default', 'other']
)
def test_block_mask__equals_the_loop_of_cae(options):
    """The same uniform numbers, image by image: the draws of image i are its column."""
    batch, grid, num_masked = 6, (9, 12), 60
    masks = block_mask(batch, grid, num_masked, generator=seeded(), **options)
    generator = seeded()
    draws = [torch.rand(4, batch, generator=generator) for _ in range(2000)]
    for image in range(batch):
        stream = iter(draws)
        expected, blocks = naive_block_mask(
            grid,
            num_masked,
            lambda stream=stream, image=image: next(stream)[:, image].tolist(),
            **options,
        )
        assert masks[image].int().tolist() == expected
        assert len(blocks) > 1


def test_block_mask__hides_98_of_196_in_each_of_10000_images():
    masks = torch.cat([block_mask(1000, (14, 14), 98, generator=seeded(i)) for i in range(10)])
    assert masks.shape == (10000, 196) and masks.dtype == torch.bool
    assert (masks.sum(1) == 98).all()
    assert len({tuple(mask) for mask in masks[:500].int().tolist()}) == 500  # each image its own


@pytest.mark.parametrize('num_masked', [1, 98, 147, 195])
def test_block_mask__meets_any_count_on_a_grid_that_is_no_square(num_masked):
    masks = block_mask(16, (13, 16), num_masked, generator=seeded())
    assert (masks.sum(1) == num_masked).all()


def test_propose_blocks__area_aspect_and_place_keep_the_rules():
    """Rounding moves a side by up to a half; the bounds of area and aspect allow for that."""
    grid, smallest = (14, 12), 16
    largest = torch.randint(1, 98, (10000,), generator=seeded())
    block = propose_blocks(smallest, largest, 0.3, grid, torch.rand(4, 10000, generator=seeded(1)))
    top, left, height, width = block
    low, high = largest.clamp(max=smallest), largest.clamp(min=smallest)
    assert ((height - 0.5) * (width - 0.5) <= high).all()
    assert ((height + 0.5) * (width + 0.5) >= low).all()
    assert ((height - 0.5) / (width + 0.5) <= 1 / 0.3).all()
    assert ((height + 0.5) / (width - 0.5) >= 0.3).all()
    fits = (height < grid[0]) & (width < grid[1])
    assert fits.float().mean() > 0.8
    assert (top[fits] >= 0).all() and (top + height <= grid[0])[fits].all()
    assert (left[fits] >= 0).all() and (left + width <= grid[1])[fits].all()
    assert (top + height == grid[0])[fits].any() and (left + width == grid[1])[fits].any()
    flat, tall = (height < width).float().mean(), (height > width).float().mean()
    assert abs(flat - tall) < 0.03  # log-uniform: an aspect is as frequent as its inverse


def test_block_mask__blocks_hold_together():
    """Neighbors of a hidden patch are hidden far more often than 50 %, and the border is too."""
    maps = block_mask(500, (14, 14), 98, generator=seeded()).reshape(-1, 14, 14)
    right = maps[:, :, 1:][maps[:, :, :-1]].float().mean()
    assert right > 0.75
    frequency = maps.float().mean(0)
    assert min(frequency[0].min(), frequency[-1].min()) > 0.02  # the corners
    torch.testing.assert_close(frequency, frequency.flip(0, 1), rtol=0, atol=0.12)


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (dict(grid=(1, 14), num_masked=7), 'grid 1x14'),
        (dict(num_masked=0), 'num_masked=0'),
        (dict(num_masked=196), 'num_masked=196'),
        (dict(num_masked=98, min_block=0), 'min_block=0'),
        (dict(num_masked=98, max_block=0), 'max_block=0'),
        (dict(num_masked=98, min_aspect=1.5), 'min_aspect=1.5'),
        (dict(grid=(2, 30), num_masked=40, min_block=16), 'choose a smaller min_block'),
    ],
)
def test_block_mask__rejects(arguments, words, monkeypatch):
    monkeypatch.setattr('mae_transfer.masking.block_mask.MOST_PROPOSALS', 200)
    with pytest.raises(ValueError, match=words):
        block_mask(2, **{'grid': (14, 14), **arguments})
