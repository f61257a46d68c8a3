"""Pixels as the target of masked pre-training, plain or normalized per patch."""

from torch import Tensor, nn

from mae_transfer.layers.patchify import patch_grid, patchify, unpatchify
from mae_transfer.registry import MODELS

EPS = 1e-6  # as in MAE's code: patches of one color have no variance


@MODELS.register_module()
class PixelTarget(nn.Module):
    """The pixels of each patch (He et al. 2021, section 3, 'Reconstruction target').

    Args:
        patch_size: Side of a patch, in pixels.
        norm_pix: Whether each patch is normalized by its own mean and standard deviation, over all
            its pixels and channels; the variance is unbiased, with 1e-6 added inside the root.
        channel_first: Layout of a target; see :func:`~mae_transfer.layers.patchify.patchify`.
    """

    def __init__(
        self, patch_size: int = 16, norm_pix: bool = True, channel_first: bool = False
    ) -> None:
        super().__init__()
        self.patch_size = (patch_size, patch_size)
        self.norm_pix = norm_pix
        self.channel_first = channel_first

    def _patchify(self, images: Tensor) -> Tensor:
        return patchify(images.float(), self.patch_size, self.channel_first)

    @staticmethod
    def _statistics(patches: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of each patch, (B, L, 1) each."""
        variance, mean = patches.var(dim=-1, keepdim=True), patches.mean(dim=-1, keepdim=True)
        return mean, (variance + EPS).sqrt()

    def forward(self, images: Tensor) -> Tensor:
        """Build targets, in float32.

        Args:
            images: The network's input, (B, C, H, W).

        Returns:
            (B, L, p * p * C).
        """
        patches = self._patchify(images)
        if not self.norm_pix:
            return patches
        mean, std = self._statistics(patches)
        return (patches - mean) / std

    def to_images(self, pred: Tensor, images: Tensor) -> Tensor:
        """Turn predictions back into pictures on the scale of ``images``.

        A normalized prediction says nothing of brightness and contrast; it gets those of the true
        patch.

        Args:
            pred: (B, L, p * p * C).
            images: The network's input, (B, C, H, W).

        Returns:
            (B, C, H, W), float32.
        """
        pred = pred.float()
        if self.norm_pix:
            mean, std = self._statistics(self._patchify(images))
            pred = pred * std + mean
        grid = patch_grid(images.shape[-2:], self.patch_size)
        return unpatchify(pred, self.patch_size, grid, self.channel_first)
