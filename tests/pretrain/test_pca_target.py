"""Principal components against NumPy's SVD and scikit-learn; coefficients there and back."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from mae_transfer.layers.patchify import patchify
from mae_transfer.pretrain import MaskedPatchLoss, PCATarget, PixelTarget
from mae_transfer.pretrain.patch_pca import PatchPCA, fit_patch_pca
from tests.pretrain.test_mae import build

P, DIMS = 4, 4 * 4 * 3


def photos(batch: int = 12, size: tuple[int, int] = (16, 24)) -> torch.Tensor:
    """Noise with neighbors alike, brightness and channels unlike: variances that differ."""
    noise = torch.randn(batch, 3, size[0] // 2, size[1] // 2).repeat_interleave(2, 2)
    smooth = noise.repeat_interleave(2, 3) + 0.3 * torch.randn(batch, 3, *size)
    return smooth * torch.tensor([1.0, 2.0, 0.5]).reshape(3, 1, 1) + 0.7


@pytest.fixture
def basis(tmp_path):
    path = tmp_path / 'folder' / 'basis'
    fit_patch_pca([photos()], P).save(path)
    return str(path)


def test_fit__equals_numpy_and_scikit_learn():
    """In batches of several sizes; a component's sign is free, ours makes its largest entry > 0."""
    images = photos()
    pca = fit_patch_pca(images.split([5, 1, 6]), P)
    patches = patchify(images, (P, P)).flatten(0, 1).double().numpy()
    mean = patches.mean(0)
    _, singular, rows = np.linalg.svd(patches - mean, full_matrices=False)
    peer = PCA().fit(patches)
    for expected, name in ((mean, 'mean'), (peer.mean_, 'mean')):
        np.testing.assert_allclose(getattr(pca, name).numpy(), expected, atol=1e-6)
    for expected in (singular**2 / (len(patches) - 1), peer.explained_variance_):
        np.testing.assert_allclose(pca.variances.numpy(), expected, rtol=1e-4)
    for expected in (rows, peer.components_):
        largest = np.take_along_axis(expected, abs(expected).argmax(1)[:, None], 1)
        signed = expected * np.sign(largest)
        np.testing.assert_allclose(pca.components.numpy(), signed, atol=2e-4)
    assert pca.num_patches == len(patches) == 12 * 4 * 6


def test_fit__components_are_orthonormal_and_sorted():
    pca = fit_patch_pca([photos()], P)
    torch.testing.assert_close(pca.components @ pca.components.T, torch.eye(DIMS))
    assert (pca.variances[:-1] >= pca.variances[1:]).all()


def test_fit__of_fewer_patches_than_pixels_is_still_a_basis():
    pca = fit_patch_pca([photos(1, (4, 8))], P)
    torch.testing.assert_close(pca.components @ pca.components.T, torch.eye(DIMS))
    assert (pca.variances >= 0).all() and (pca.variances[1:] < 1e-4 * pca.variances[0]).all()


def test_fit__rejects_no_patches():
    with pytest.raises(ValueError, match='0 patches'):
        fit_patch_pca([], P)


def test_file__there_and_back(basis):
    saved, loaded = fit_patch_pca([photos()], P), PatchPCA.load(basis)
    assert loaded.patch_size == P and loaded.num_patches == saved.num_patches
    assert loaded.components.dtype == torch.float32
    torch.testing.assert_close(loaded.components.shape, saved.components.shape)


def test_target__is_the_projection_written_out(basis):
    target = PCATarget(basis, P, num_coefficients=5)
    images, pca = photos(2), PatchPCA.load(basis)
    coefficients = target(images)
    assert coefficients.shape == (2, 24, 5)
    patch = images[1, :, 4:8, 8:12].permute(1, 2, 0).flatten()  # row 1, column 2 of 4 x 6
    expected = [((patch - pca.mean) * pca.components[k]).sum() for k in range(5)]
    torch.testing.assert_close(coefficients[1, 8], torch.stack(expected))


def test_target__all_coefficients_hold_the_picture(basis):
    images, target = photos(2), PCATarget(basis, P, DIMS)
    torch.testing.assert_close(target.to_images(target(images), images), images)


def test_target__few_coefficients_give_the_nearest_picture(basis):
    """Error of the reconstruction = variance outside, on the patches of the fit."""
    torch.manual_seed(0)
    images, pca = photos(), PatchPCA.load(basis)
    pca = fit_patch_pca([images], P)
    pca.save(basis)
    target = PCATarget(basis, P, 10)
    error = (target.to_images(target(images), images) - images).square().sum()
    torch.testing.assert_close(error, pca.variances[10:].sum() * (pca.num_patches - 1))


def test_target__a_rotation_leaves_the_loss_of_pixels(basis):
    images, pred = photos(2), torch.randn(2, 24, DIMS)
    target, loss = PCATarget(basis, P, DIMS), MaskedPatchLoss()
    mask = torch.rand(2, 24) < 0.5
    pixels = PixelTarget(P, norm_pix=False)
    rotated = (pred - target.mean) @ target.components.T
    torch.testing.assert_close(
        loss.loss(rotated, target(images), mask), loss.loss(pred, pixels(images), mask)
    )


def test_target__stays_in_float32_under_autocast(basis):
    images, target = photos(2), PCATarget(basis, P, 7)
    with torch.autocast('cpu', torch.bfloat16):
        rounded = target(images)
        picture = target.to_images(rounded, images)
    assert rounded.dtype == picture.dtype == torch.float32
    torch.testing.assert_close(rounded, target(images), rtol=0, atol=0)


def test_target__a_checkpoint_holds_its_own_basis(basis, tmp_path):
    other = fit_patch_pca([photos(3)], P)
    other.save(tmp_path / 'other')
    target = PCATarget(basis, P, 7)
    target.load_state_dict(PCATarget(str(tmp_path / 'other'), P, 7).state_dict())
    torch.testing.assert_close(target.components, other.components[:7])


def test_mae__learns_coefficients_and_reconstructs_from_them(tmp_path, monkeypatch):
    """All coefficients of patches of 8 pixels: a perfect prediction is the picture."""
    model, images = build(img_size=(32, 48)), photos(2, (32, 48))
    fit_patch_pca([images], 8).save(tmp_path / 'basis')
    model.target_generator = PCATarget(str(tmp_path / 'basis'), 8, 8 * 8 * 3)
    model.loss(images)['loss'].backward()
    assert model.neck.decoder_pred.weight.grad.abs().max() > 0
    assert model.reconstruct(images)[1].shape == images.shape
    monkeypatch.setattr(model.neck, 'forward', lambda *_: model.target_generator(images))
    torch.testing.assert_close(model.reconstruct(images)[1], images, rtol=1e-4, atol=1e-4)


def test_target__rejects(basis, tmp_path):
    with pytest.raises(FileNotFoundError, match='tools/fit_patch_pca.py'):
        PCATarget(str(tmp_path / 'nowhere.npz'), P)
    with pytest.raises(ValueError, match='patches of 4 pixels, but patch_size=8'):
        PCATarget(basis, 8)
    with pytest.raises(ValueError, match=r'num_coefficients=49: must be in \[1, 48\]'):
        PCATarget(basis, P, 49)
    np.savez(tmp_path / 'other.npz', mean=np.zeros(3))
    with pytest.raises(ValueError, match="holds \\['mean'\\]"):
        PCATarget(str(tmp_path / 'other.npz'), P)
