"""First layer of the transformer: from an image to tokens of its patches, all or some of them."""

import torch.nn.functional as F
from torch import Tensor, nn

from mae_transfer.layers.patchify import patchify
from mae_transfer.masking.token_index import keep_tokens


class PatchEmbed(nn.Module):
    """Linear projection of non-overlapping patches (ViT, https://arxiv.org/abs/2010.11929, eq. 1).

    The weight is that of a convolution, as in timm and in MAE's code, so their files load.

    Args:
        in_channels: Channels of the image.
        embed_dims: Width C of a token.
        patch_size: Height and width of a patch, in pixels.
    """

    def __init__(self, in_channels: int, embed_dims: int, patch_size: tuple[int, int]) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.proj = nn.Conv2d(in_channels, embed_dims, kernel_size=patch_size, stride=patch_size)

    def forward(self, x: Tensor) -> Tensor:
        """Embed every patch; the image is padded with zeros at the right and the bottom.

        Args:
            x: Images, (B, in_channels, H, W), any H and W.

        Returns:
            (B, C, ceil(H / p), ceil(W / q)).
        """
        (p, q), (height, width) = self.patch_size, x.shape[-2:]
        if height % p or width % q:
            x = F.pad(x, (0, -width % q, 0, -height % p))
        return self.proj(x)

    def embed_visible(self, x: Tensor, ids_keep: Tensor) -> Tensor:
        """Embed only the patches that stay; the hidden ones cost nothing.

        Args:
            x: Images, (B, in_channels, H, W), H and W multiples of the patch size.
            ids_keep: Which patches stay, (B, L_keep), int64 in [0, L).

        Returns:
            Tokens in the order of ``ids_keep``, (B, L_keep, C).
        """
        # A convolution that strides by its kernel is a linear layer of patches. Its weight is laid
        # out (channel, row, column), so the patches are, too.
        patches = patchify(x, self.patch_size, channel_first=True)
        return F.linear(
            keep_tokens(patches, ids_keep), self.proj.weight.flatten(1), self.proj.bias
        )  # (B, L_keep, C)
