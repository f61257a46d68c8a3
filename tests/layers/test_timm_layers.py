"""What we take from timm, against loops: a norm of our pyramid, and windows of attention."""

import pytest
import torch
from timm.layers import LayerNorm2d
from timm.models.vision_transformer_sam import window_partition, window_unpartition
from torch import Tensor

from tests.references.naive_simple_fpn import channel_norm


def naive_windows(x: Tensor, size: int) -> list[Tensor]:
    """Windows (size, size, C) of a map (B, h, w, C), image by image and row by row."""
    windows = []
    for image in x:
        for top in range(0, x.shape[1], size):
            for left in range(0, x.shape[2], size):
                window = torch.zeros(size, size, x.shape[3])
                piece = image[top : top + size, left : left + size]
                window[: piece.shape[0], : piece.shape[1]] = piece
                windows.append(window)
    return windows


def test_layer_norm2d__is_the_formula_with_the_eps_of_vitdet():
    torch.manual_seed(0)
    norm = LayerNorm2d(6)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    x = 1e-3 * torch.randn(2, 6, 3, 5)  # variances near eps, so that another eps would show
    torch.testing.assert_close(norm(x), channel_norm(x, norm.weight, norm.bias, eps=1e-6))
    assert list(norm.state_dict()) == ['weight', 'bias']


@pytest.mark.parametrize('grid, size', [((6, 9), 3), ((5, 7), 3), ((2, 3), 4), ((8, 4), 4)])
def test_windows__equal_a_loop_and_come_back(grid, size):
    """Maps that windows tile, and maps that they leave at the right and the bottom."""
    x = torch.randn(2, *grid, 4)
    windows, padded = window_partition(x, size)
    expected = torch.stack(naive_windows(x, size))
    torch.testing.assert_close(windows, expected, rtol=0, atol=0)
    assert padded == tuple(-(-side // size) * size for side in grid)
    torch.testing.assert_close(window_unpartition(windows, size, grid, padded), x, rtol=0, atol=0)
