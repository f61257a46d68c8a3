import pytest
import torch

from mae_transfer.masking.random_mask import count_kept, random_mask
from mae_transfer.masking.token_index import (
    keep_tokens,
    mask_from_restore,
    restore_tokens,
    split_by_mask,
)


@pytest.mark.parametrize(
    'num_patches, ratio, kept',
    [
        (196, 0.75, 49),
        (256, 0.75, 64),
        (400, 0.8, 79),
        (400, 0.9, 39),
        (100, 0.8, 19),
        (64, 0.5, 32),
        (4, 0.75, 1),
        (4, 0.25, 3),
    ],
)
def test_count_kept__truncates_like_the_paper(num_patches, ratio, kept):
    assert count_kept(num_patches, ratio) == kept


@pytest.mark.parametrize('ratio', [0.0, 0.999, 1.0, -0.5])
def test_count_kept__rejects_nothing_hidden_or_nothing_left(ratio):
    with pytest.raises(ValueError, match=f'mask_ratio={ratio}'):
        count_kept(64, ratio)


def test_random_mask__kept_and_hidden_are_a_partition():
    ids_keep, ids_mask, ids_restore = random_mask(8, 30, 0.7)
    assert ids_keep.shape == (8, 9)
    everything = torch.cat([ids_keep, ids_mask], dim=1)
    assert (everything.sort(dim=1).values == torch.arange(30)).all()
    assert (everything.gather(1, ids_restore) == torch.arange(30)).all()


def test_random_mask__every_patch_is_hidden_equally_often():
    """4000 draws of 12 of 16: mean .75, standard error .007; six errors on each side."""
    ids_restore = random_mask(4000, 16, 0.75, generator=torch.Generator().manual_seed(0))[2]
    frequency = mask_from_restore(ids_restore, 4).float().mean(0)
    assert (frequency - 0.75).abs().max() < 6 * 0.007


def test_random_mask__images_differ_and_seeds_repeat():
    first = random_mask(2, 50, 0.5, generator=torch.Generator().manual_seed(3))[0]
    again = random_mask(2, 50, 0.5, generator=torch.Generator().manual_seed(3))[0]
    assert (first == again).all() and (first[0] != first[1]).any()


def test_restore_tokens__visible_return_to_their_place_and_the_rest_is_mask_token():
    x = torch.randn(3, 10, 4)
    ids_keep, ids_mask, ids_restore = random_mask(3, 10, 0.6)
    mask_token = torch.full((1, 1, 4), 7.0)
    restored = restore_tokens(keep_tokens(x, ids_keep), mask_token, ids_restore)
    for b in range(3):
        torch.testing.assert_close(restored[b, ids_keep[b]], x[b, ids_keep[b]])
        assert (restored[b, ids_mask[b]] == 7).all()


def test_split_by_mask__by_hand():
    ids_keep, ids_mask, ids_restore = split_by_mask(torch.tensor([[1, 0, 0, 1], [0, 1, 1, 0]]))
    assert ids_keep.tolist() == [[1, 2], [0, 3]]
    assert ids_mask.tolist() == [[0, 3], [1, 2]]
    assert ids_restore.tolist() == [[2, 0, 1, 3], [0, 2, 3, 1]]
    assert mask_from_restore(ids_restore, 2).int().tolist() == [[1, 0, 0, 1], [0, 1, 1, 0]]


def test_split_by_mask__rejects_ragged_masks():
    with pytest.raises(ValueError, match='1 to 2'):
        split_by_mask(torch.tensor([[1, 0, 0], [1, 1, 0]]))
