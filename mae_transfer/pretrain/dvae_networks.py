"""Convolutional networks of a discrete VAE: picture -> logits of codes, and codes -> picture.

The sizes are those of the tokenizer in BEiT's and CAE's code: convolutions of stride 2, residual
blocks at the resolution of the codes, and 1x1 convolutions on both sides of the codes, as in DALL-E
(Ramesh et al. 2021, https://arxiv.org/abs/2102.12092, section 2.1).
"""

from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a 1x1 beside a shortcut; (B, C, h, w) stays (B, C, h, w)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Add the branch to the shortcut."""
        return x + self.branch(x)


class DVAEEncoder(nn.Module):
    """Picture -> one logit per code and place.

    Args:
        num_codes: Size of the codebook, K.
        hidden_dims: Width of all layers.
        num_layers: Convolutions of stride 2: a code covers a square of 2**num_layers pixels a side.
        num_blocks: Residual blocks.
        in_channels: Channels of a picture.
    """

    def __init__(
        self,
        num_codes: int,
        hidden_dims: int,
        num_layers: int,
        num_blocks: int,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        widths = [in_channels] + [hidden_dims] * num_layers
        self.downsample = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(before, after, 4, stride=2, padding=1), nn.ReLU())
                for before, after in zip(widths, widths[1:], strict=False)
            )
        )
        self.blocks = nn.Sequential(*(ResidualBlock(hidden_dims) for _ in range(num_blocks)))
        self.to_logits = nn.Conv2d(hidden_dims, num_codes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) in [-1, 1] -> (B, K, h, w)."""
        return self.to_logits(self.blocks(self.downsample(x)))


class DVAEDecoder(nn.Module):
    """Embedded codes -> maps of the picture's size.

    Args:
        embed_dims: Width of a code's embedding.
        hidden_dims: Width of all layers.
        num_layers: Transposed convolutions of stride 2.
        num_blocks: Residual blocks.
        out_channels: Maps that the loss asks for.
    """

    def __init__(
        self,
        embed_dims: int,
        hidden_dims: int,
        num_layers: int,
        num_blocks: int,
        out_channels: int,
    ) -> None:
        super().__init__()
        self.from_codes = nn.Conv2d(embed_dims, hidden_dims, 1)
        self.blocks = nn.Sequential(*(ResidualBlock(hidden_dims) for _ in range(num_blocks)))
        self.upsample = nn.Sequential(
            *(
                nn.Sequential(
                    nn.ConvTranspose2d(hidden_dims, hidden_dims, 4, stride=2, padding=1), nn.ReLU()
                )
                for _ in range(num_layers)
            )
        )
        self.to_maps = nn.Conv2d(hidden_dims, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, embed_dims, h, w) -> (B, out_channels, H, W)."""
        return self.to_maps(self.upsample(self.blocks(self.from_codes(x))))
