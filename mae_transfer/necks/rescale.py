"""Up- and downsampling steps that both pyramids share: stride p to p/4, p/2 or 2p.

The pyramids choose widths and norm; the shapes of the steps are the same in both.
"""

import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from torch import Tensor, nn


def upsample_2x(in_channels: int, out_channels: int) -> nn.Sequential:
    """One transposed convolution, (B, C_in, H, W) -> (B, C_out, 2H, 2W)."""
    return nn.Sequential(nn.ConvTranspose2d(in_channels, out_channels, kernel_size=2, stride=2))


def upsample_4x(
    in_channels: int, mid_channels: int, out_channels: int, norm_cfg: dict
) -> nn.Sequential:
    """Transposed convolution, norm, GELU, another one, (B, C, H, W) -> (B, C_out, 4H, 4W)."""
    return nn.Sequential(
        nn.ConvTranspose2d(in_channels, mid_channels, kernel_size=2, stride=2),
        build_norm_layer(norm_cfg, mid_channels)[1],
        nn.GELU(),
        nn.ConvTranspose2d(mid_channels, out_channels, kernel_size=2, stride=2),
    )


class Downsample2x(nn.Module):
    """2x2 max-pool; an odd last row or column is left out, but a side of 1 stays 1."""

    def forward(self, x: Tensor) -> Tensor:
        """Halve a map, (B, C, H, W) -> (B, C, max(H // 2, 1), max(W // 2, 1))."""
        window = [min(side, 2) for side in x.shape[-2:]]
        return F.max_pool2d(x, window, stride=2)
