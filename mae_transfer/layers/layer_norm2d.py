"""Layer norm over the channels of a map: the norm of ViTDet's pyramid and heads."""

from torch import Tensor, nn


class LayerNorm2d(nn.LayerNorm):
    """Normalise the channel vector of each position; positions do not mix.

    It is the norm of ViTDet (https://arxiv.org/abs/2203.16527, sec. 3). GroupNorm with one group is
    another thing: it also averages over height and width.

    Args:
        num_channels: Channels C of the map.
        eps: Added to the variance; 1e-6 in ViTDet, where PyTorch's own default is 1e-5.
    """

    def __init__(self, num_channels: int, eps: float = 1e-6) -> None:
        super().__init__(num_channels, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise a map, (B, C, H, W) -> (B, C, H, W)."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
