"""HOG against scikit-image, a gradient by hand, and what it must not see."""

import pytest
import torch
from skimage.feature import hog

from mae_transfer.pretrain import HOGTarget, MaskedPatchLoss
from tests.pretrain.test_mae import P, build


@pytest.mark.parametrize(('patch_size', 'cell_size'), [(16, 8), (14, 7), (8, 8)])
def test_hog__equals_scikit_image(patch_size, cell_size):
    """Each channel alone: scikit-image would take the channel of the steepest gradient."""
    images = torch.rand(2, 3, 3 * patch_size, 4 * patch_size, dtype=torch.float64)
    target = HOGTarget(patch_size, cell_size)
    side = patch_size // cell_size
    result = target(images).reshape(2, 3, 4, side, side, 3, 9)
    for image, ours in zip(images, result, strict=True):
        for channel in range(3):
            cells = hog(
                image[channel].numpy(),
                orientations=9,
                pixels_per_cell=(cell_size, cell_size),
                cells_per_block=(1, 1),
                block_norm='L2',
                feature_vector=False,
            )  # (cell rows, cell columns, 1, 1, 9)
            peer = (
                torch.from_numpy(cells[:, :, 0, 0]).unflatten(1, (4, side)).unflatten(0, (3, side))
            )
            peer = peer.permute(0, 2, 1, 3, 4)  # patch row, patch column, cell row, cell column
            torch.testing.assert_close(ours[..., channel, :], peer.float(), rtol=1e-4, atol=1e-5)


def test_hog__of_ramps_by_hand():
    """Brightness grows to the right: 0 degrees, bin 0. Downwards: 90, bin 4. Diagonally: 45, 2."""
    row = torch.arange(32.0).reshape(1, 32, 1).expand(1, 32, 32)
    column = row.transpose(1, 2)
    images = torch.stack([column, row, row + column])  # (3, 1, 32, 32)
    result = HOGTarget(16, 8)(images).reshape(3, 2, 2, 2, 2, 9)
    inner = result[:, 0, 0, 1, 1]  # a cell that no border touches
    torch.testing.assert_close(inner, torch.eye(9)[[0, 4, 2]], rtol=0, atol=1e-6)


def test_hog__a_flat_cell_is_zero_and_finite():
    assert (HOGTarget()(torch.full((1, 3, 32, 32), 5.0)) == 0).all()


def test_hog__does_not_see_contrast_and_brightness_of_a_channel():
    images = torch.rand(2, 3, 32, 48)
    scaled = images * torch.tensor([4.0, 2.0, 3.0]).reshape(3, 1, 1) + 7
    torch.testing.assert_close(HOGTarget()(scaled), HOGTarget()(images), rtol=1e-3, atol=1e-3)


def test_hog__has_108_values_for_16_pixels_and_stays_in_float32():
    with torch.autocast('cpu', torch.bfloat16):
        result = HOGTarget()(torch.rand(1, 3, 32, 48))
    assert result.shape == (1, 6, 2 * 2 * 3 * 9) and result.dtype == torch.float32


def test_mae__learns_hog_but_cannot_reconstruct():
    model = build(img_size=(32, 48))
    model.target_generator = HOGTarget(P, P // 2)
    model.neck.decoder_pred = torch.nn.Linear(model.neck.decoder_pred.in_features, 2 * 2 * 3 * 9)
    images = torch.rand(2, 3, 32, 48)
    model.loss(images)['loss'].backward()
    assert model.neck.decoder_pred.weight.grad.abs().max() > 0
    with pytest.raises(NotImplementedError, match='cannot be turned back into pixels'):
        model.reconstruct(images)


def test_mae__rejects_a_decoder_of_another_width_than_the_target():
    with pytest.raises(ValueError, match='108.*96'):
        MaskedPatchLoss().loss(torch.zeros(1, 6, 96), torch.zeros(1, 6, 108), torch.ones(1, 6))


def test_hog__rejects_cells_that_do_not_tile_a_patch():
    with pytest.raises(ValueError, match='cell_size=8'):
        HOGTarget(14)
