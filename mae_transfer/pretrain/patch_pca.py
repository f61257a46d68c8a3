"""Principal components of patches, fitted once to a data set before a run predicts them."""

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
            np.savez(
                file,
                mean=np.asarray(self.mean),
                components=np.asarray(self.components),
                variances=np.asarray(self.variances),
                patch_size=np.asarray(self.patch_size),
                num_patches=np.asarray(self.num_patches),
            )

    @classmethod
    def load(cls, path: str | Path) -> 'PatchPCA':
        """Read what :meth:`save` wrote.

        Raises:
            FileNotFoundError: If there is no such file; the message says how to make it.
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
            return cls(
                mean=torch.from_numpy(file['mean']),
                components=torch.from_numpy(file['components']),
                variances=torch.from_numpy(file['variances']),
                patch_size=int(file['patch_size']),
                num_patches=int(file['num_patches']),
            )


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
    count = 0
    total = products = torch.zeros(())  # grow to (D,) and (D, D)
    for images in batches:
        patches = patchify(images.double(), (patch_size, patch_size)).flatten(0, 1)  # (B * L, D)
        count += len(patches)
        total = total.to(patches) + patches.sum(0)
        products = products.to(patches) + patches.T @ patches
    if count < 2:
        raise ValueError(f'{count} patches: principal components need at least two')
    mean = total / count
    covariance = (products - count * torch.outer(mean, mean)) / (count - 1)
    variances, vectors = torch.linalg.eigh(covariance)  # ascending; vectors in columns
    components = vectors.T.flip(0)
    # An eigenvector has no sign of its own; this fixes one, so that two fits agree.
    largest = components.gather(1, components.abs().argmax(1, keepdim=True))
    components = components * largest.sign()
    return PatchPCA(
        mean=mean.float().cpu(),
        components=components.float().cpu(),
        variances=variances.flip(0).clamp(min=0).float().cpu(),  # rounding may give -1e-17
        patch_size=patch_size,
        num_patches=count,
    )
