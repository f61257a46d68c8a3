"""Simple feature pyramid of ViTDet, between a plain ViT and detection heads."""

from collections.abc import Sequence

import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule
from torch import Tensor, nn

from mae_transfer.necks.rescale import Downsample2x, upsample_2x, upsample_4x
from mae_transfer.registry import MODELS


def _project(in_channels: int, out_channels: int, norm_cfg: dict) -> nn.Sequential:
    """1x1, then 3x3 convolution, each with a norm and without activation."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=False),
        build_norm_layer(norm_cfg, out_channels)[1],
        nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1, bias=False),
        build_norm_layer(norm_cfg, out_channels)[1],
    )


@MODELS.register_module()
class SimpleFPN(BaseModule):
    """Pyramid from the last map of a plain ViT (Li et al. 2022, section 3).

    https://arxiv.org/abs/2203.16527

    A map of stride p becomes levels of stride p/4, p/2, p and 2p (4, 8, 16, 32 for patches of 16
    pixels); further levels are the last one subsampled (4p = 64: the fifth level, for the RPN).
    Levels do not exchange anything. Weights start as PyTorch initializes them.

    Args:
        in_channels: Width of the ViT, a multiple of 4.
        out_channels: Channels of each level.
        num_outs: Levels, at least 4.
        norm_cfg: Norm after each convolution; ViTDet's channel layer norm if not given.
        init_cfg: MMEngine's; none is needed.

    Raises:
        ValueError: If ``in_channels`` is no multiple of 4 or ``num_outs`` is below 4.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int = 256,
        num_outs: int = 5,
        norm_cfg: dict | None = None,
        init_cfg: dict | list | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if in_channels % 4:
            raise ValueError(f'in_channels={in_channels}: must be a multiple of 4, it is quartered')
        if num_outs < 4:
            raise ValueError(
                f'num_outs={num_outs}: must be at least 4, for strides p/4, p/2, p, 2p'
            )
        if norm_cfg is None:
            norm_cfg = dict(type='ChannelLN', eps=1e-6)
        self.in_channels = in_channels
        self.num_outs = num_outs
        half, quarter = in_channels // 2, in_channels // 4
        self.rescales = nn.ModuleList(
            [
                upsample_4x(in_channels, half, quarter, norm_cfg),
                upsample_2x(in_channels, half),
                nn.Identity(),
                Downsample2x(),
            ]
        )
        self.projections = nn.ModuleList(
            _project(width, out_channels, norm_cfg)
            for width in (quarter, half, in_channels, in_channels)
        )

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Build the levels.

        Args:
            inputs: Maps of the backbone; only the last is used, (B, in_channels, H, W), any H, W.

        Returns:
            ``num_outs`` maps (B, out_channels, ., .) of sizes 4H x 4W, 2H x 2W, H x W,
            H//2 x W//2 (1 at least), then subsampled by 2 (rounded up) each.

        Raises:
            TypeError: If ``inputs`` is no tuple or list.
            ValueError: If it is empty or its last map has another width.
        """
        x = self._last_map(inputs)
        levels = [
            project(rescale(x))
            for rescale, project in zip(self.rescales, self.projections, strict=True)
        ]
        while len(levels) < self.num_outs:  # a pool of one pixel, as Detectron2's LastLevelMaxPool
            levels.append(F.max_pool2d(levels[-1], kernel_size=1, stride=2))
        return tuple(levels)

    def _last_map(self, inputs: Sequence[Tensor]) -> Tensor:
        if not isinstance(inputs, tuple | list):
            raise TypeError(f'inputs={type(inputs).__name__}: must be a tuple or list of maps')
        if not inputs:
            raise ValueError('inputs=(): the backbone gave no map; check its out_indices')
        x = inputs[-1]
        if x.ndim != 4 or x.shape[1] != self.in_channels:
            raise ValueError(
                f'inputs[-1] has shape {tuple(x.shape)}: must be (B, {self.in_channels}, H, W), '
                'since in_channels is the width of the backbone'
            )
        return x
