import pytest
import torch

from mae_transfer.masking.grid_mask import grid_mask


def test_grid_mask__by_hand():
    expected = [[0, 1, 0, 1, 0, 1], [1] * 6, [0, 1, 0, 1, 0, 1], [1] * 6]
    masks = grid_mask(2, (4, 6))
    assert masks.dtype == torch.bool
    assert masks.reshape(2, 4, 6).int().tolist() == [expected, expected]


@pytest.mark.parametrize('grid', [(9, 4), (4, 9)])
def test_grid_mask__rejects_an_odd_side(grid):
    with pytest.raises(ValueError, match=f'{grid[0]}x{grid[1]} patches'):
        grid_mask(1, grid)
