"""PCA coefficients of patches as the target of masked pre-training."""

import torch
from torch import Tensor, nn

from mae_transfer.layers.patchify import patch_grid, patchify, unpatchify
from mae_transfer.pretrain.patch_pca import PatchPCA
from mae_transfer.registry import MODELS


@MODELS.register_module()
class PCATarget(nn.Module):
    """The largest principal components of each patch (He et al. 2021, section 4.1, table 1d).

    The coefficients are not divided by their standard deviations (the paper names no such step), so
    with all components the squared error is that of plain pixels.

    Mean and components are buffers: a checkpoint holds its own, and a resumed run uses these.

    Args:
        basis: File of ``tools/fit_patch_pca.py``; see
            :class:`~mae_transfer.pretrain.patch_pca.PatchPCA`.
        patch_size: Side of a patch, in pixels.
        num_coefficients: Components kept, K; 96 in the paper.

    Raises:
        FileNotFoundError: If there is no file ``basis``.
        ValueError: If it was fitted to other patches, or holds fewer components.
    """

    mean: Tensor
    components: Tensor

    def __init__(self, basis: str, patch_size: int = 16, num_coefficients: int = 96) -> None:
        super().__init__()
        self.patch_size = (patch_size, patch_size)
        pca = PatchPCA.load(basis)
        if pca.patch_size != patch_size:
            raise ValueError(
                f'basis={basis!r} was fitted to patches of {pca.patch_size} pixels, but '
                f'patch_size={patch_size}: fit another one'
            )
        if not 0 < num_coefficients <= len(pca.components):
            raise ValueError(
                f'num_coefficients={num_coefficients}: must be in [1, {len(pca.components)}], the '
                f'components in {basis!r}'
            )
        self.register_buffer('mean', pca.mean)
        self.register_buffer('components', pca.components[:num_coefficients].contiguous())

    def forward(self, images: Tensor) -> Tensor:
        """Build targets, in float32 under autocast, too.

        Args:
            images: The network's input, (B, C, H, W).

        Returns:
            Coefficients, (B, L, K).
        """
        patches = patchify(images.float(), self.patch_size)
        with torch.autocast(images.device.type, enabled=False):
            return (patches - self.mean) @ self.components.T

    def to_images(self, pred: Tensor, images: Tensor) -> Tensor:
        """Turn coefficients back into pictures; what the components leave out stays at its mean.

        Args:
            pred: (B, L, K).
            images: The network's input, (B, C, H, W); only its size counts.

        Returns:
            (B, C, H, W), float32.
        """
        grid = patch_grid(images.shape[-2:], self.patch_size)
        with torch.autocast(images.device.type, enabled=False):
            patches = pred.float() @ self.components + self.mean
        return unpatchify(patches, self.patch_size, grid)
