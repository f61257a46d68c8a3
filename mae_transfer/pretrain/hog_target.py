"""Histograms of oriented gradients as the target of masked pre-training."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mae_transfer.layers.patchify import patch_grid, patchify
from mae_transfer.registry import MODELS

EPS = 1e-5  # cells of one color have no gradient


@MODELS.register_module()
class HOGTarget(nn.Module):
    """HOG of each patch (MaskFeat, Wei et al. 2021, https://arxiv.org/abs/2112.09133, section 3).

    As in Dalal and Triggs (2005): differences of the two neighbors of a pixel, 0 at the border;
    orientations without sign, in bins of equal width; histograms of cells, weighted by the length
    of the gradient. As in MaskFeat, each channel has its own histograms and each cell is normalized
    by its own L2 norm, so they hardly depend on the scale of the input's channels.

    MaskFeat's code, and MMPretrain's ``HOGGenerator`` after it, smooths the differences (Sobel) and
    weights pixels by a Gaussian that repeats every 16; the latter also takes only images of 14 x 14
    patches. Here both are left out, and any grid is accepted.

    Args:
        patch_size: Side of a patch, in pixels.
        cell_size: Side of a cell, in pixels; it divides the patch (8 for 16, 7 for 14).
        num_bins: Orientations between 0 and 180 degrees.

    Raises:
        ValueError: If cells do not tile a patch.
    """

    def __init__(self, patch_size: int = 16, cell_size: int = 8, num_bins: int = 9) -> None:
        super().__init__()
        if patch_size % cell_size:
            raise ValueError(
                f'cell_size={cell_size}: cells must tile a patch of patch_size={patch_size}'
            )
        self.patch_size = (patch_size, patch_size)
        self.cell_size, self.num_bins = cell_size, num_bins

    def forward(self, images: Tensor) -> Tensor:
        """Build targets, in float32.

        Args:
            images: The network's input, (B, C, H, W).

        Returns:
            (B, L, cells of a patch * C * num_bins): cell by cell, in it channel by channel.
        """
        patch_grid(images.shape[-2:], self.patch_size)  # raises where patches do not tile the image
        images = images.float()
        rows, columns = torch.zeros_like(images), torch.zeros_like(images)
        rows[..., 1:-1, :] = images[..., 2:, :] - images[..., :-2, :]
        columns[..., 1:-1] = images[..., 2:] - images[..., :-2]
        length = torch.hypot(rows, columns)
        turns = torch.atan2(rows, columns) / torch.pi % 1  # half turns, [0, 1)
        bins = (turns * self.num_bins).long() % self.num_bins  # turns may round to 1
        # The mean over a cell in place of the sum: the norm below removes the factor.
        maps = [F.avg_pool2d(length * (bins == i), self.cell_size) for i in range(self.num_bins)]
        cells = torch.stack(maps, dim=2)  # (B, C, bins, H / cell, W / cell)
        cells = cells / (cells.square().sum(dim=2, keepdim=True) + EPS**2).sqrt()
        side = self.patch_size[0] // self.cell_size
        return patchify(cells.flatten(1, 2), (side, side))

    def to_images(self, pred: Tensor, images: Tensor) -> Tensor:
        """Refuse: pixels do not follow from histograms.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError(
            'HOGTarget: a histogram of gradients cannot be turned back into pixels; for pictures '
            'of reconstructions use PixelTarget or PCATarget, and without them remove '
            'ReconstructionHook from custom_hooks'
        )
