import pytest
import torch

from mae_transfer.layers.patchify import patchify, unpatchify


def test_patchify__rows_are_row_column_channel():
    """A 2x4 picture with pixel value 100 y + 10 x + channel and patches of 2x2, written by hand."""
    y, x, channel = torch.meshgrid(torch.arange(2), torch.arange(4), torch.arange(3), indexing='ij')
    image = (100 * y + 10 * x + channel).permute(2, 0, 1)[None].float()
    patches = patchify(image, (2, 2))
    first = [0, 1, 2, 10, 11, 12, 100, 101, 102, 110, 111, 112]
    second = [20, 21, 22, 30, 31, 32, 120, 121, 122, 130, 131, 132]
    assert patches.tolist() == [[first, second]]
    patches = patchify(image, (2, 2), channel_first=True)
    first = [0, 10, 100, 110, 1, 11, 101, 111, 2, 12, 102, 112]
    second = [20, 30, 120, 130, 21, 31, 121, 131, 22, 32, 122, 132]
    assert patches.tolist() == [[first, second]]


@pytest.mark.parametrize('channel_first', [False, True])
@pytest.mark.parametrize('patch_size', [(4, 4), (8, 4)])
def test_unpatchify__there_and_back(patch_size, channel_first):
    images = torch.randn(2, 5, 16, 24)
    p, q = patch_size
    patches = patchify(images, patch_size, channel_first)
    grid = (16 // p, 24 // q)
    torch.testing.assert_close(unpatchify(patches, patch_size, grid, channel_first), images)


def test_patchify__rejects_a_side_that_is_no_multiple():
    with pytest.raises(ValueError, match='30x32 pixels.*multiples of the patch size 8x8'):
        patchify(torch.zeros(1, 3, 30, 32), (8, 8))


def test_unpatchify__rejects_a_grid_of_another_size():
    with pytest.raises(ValueError, match='grid 2x3 holds 6 patches, but patches has 8'):
        unpatchify(torch.zeros(1, 8, 12), (2, 2), (2, 3))
