"""Principal components of patches: fitted once from a data set, before a run that predicts them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mae_transfer.layers.patchify import patchify

FIT_COMMAND = 'python tools/fit_patch_pca.py CONFIG'


@dataclass(frozen=True)
class PatchPCA:
    """The principal components of patches with D = p * p * C values.

    Attributes:
        mean: Mean patch, (D,).
        components: Orthonormal rows, (D, D), by falling variance. The largest entry of each row, in
            absolute value, is positive, so that two fits to the same patches agree.
        variances: Variance of the patches along each row, (D,), unbiased.
        patch_size: Side of a patch, in pixels.
        num_patches: Patches that the fit saw.
    """

    mean: Tensor
    components: Tensor
    variances: Tensor
    patch_size: int
    num_patches: int

    def save(self, path: str | Path) -> None:
        """Write a NumPy archive (.npz) with the attributes as arrays; folders are made."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open('wb') as file:  # np.savez would append .npz to another suffix
            np.savez(file, **{key: np.asarray(value) for key, value in vars(self).items()})

    @classmethod
    def load(cls, path: str | Path) -> 'PatchPCA':
        """Read what :meth:`save` wrote.

        Raises:
            FileNotFoundError: If there is no such file; tells how to make it.
            ValueError: If the file holds something else.
        """
        if not Path(path).is_file():
            raise FileNotFoundError(
                f'there is no file {str(path)!r} with principal components of patches: fit them to '
                f'the training images first with `{FIT_COMMAND}`'
            )
        with np.load(path, allow_pickle=False) as file:
            if set(file) != set(cls.__annotations__):
                raise ValueError(
                    f'{path} holds {sorted(file)}, not the components of patches: make it with '
                    f'`{FIT_COMMAND}`'
                )
            tensors = [torch.from_numpy(file[k]) for k in ('mean', 'components', 'variances')]
            return cls(*tensors, int(file['patch_size']), int(file['num_patches']))


def fit_patch_pca(batches: Iterable[Tensor], patch_size: int) -> PatchPCA:
    """Fit principal components to all patches of some images, one batch in memory at a time.

    Sums and products of patches are collected in float64; the components are the eigenvectors of
    the covariance.

    Args:
        batches: Preprocessed images, (B, C, H, W) each.
        patch_size: Side of a patch, in pixels.

    Returns:
        Components in float32.

    Raises:
        ValueError: If there are fewer than two patches.
    """
    count, total, products = 0, None, None
    for images in batches:
        patches = patchify(images.double(), (patch_size, patch_size)).flatten(0, 1)  # (B * L, D)
        if total is None:
            total = patches.new_zeros(patches.shape[1])
            products = patches.new_zeros(patches.shape[1], patches.shape[1])
        count += len(patches)
        total += patches.sum(0)
        products += patches.T @ patches
    if count < 2:
        raise ValueError(f'{count} patches: principal components need at least two')
    mean = total / count
    covariance = (products - count * torch.outer(mean, mean)) / (count - 1)
    variances, vectors = torch.linalg.eigh(covariance)  # ascending; vectors in columns
    components = vectors.T.flip(0)
    largest = components.gather(1, components.abs().argmax(1, keepdim=True))
    components = components * largest.sign()
    parts = (mean, components, variances.flip(0).clamp(min=0))
    return PatchPCA(*(part.float().cpu() for part in parts), patch_size, count)
