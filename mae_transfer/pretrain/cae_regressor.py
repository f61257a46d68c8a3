"""CAE's latent contextual regressor: predicts the latents of hidden patches from visible ones."""

import torch
from timm.layers import DropPath, Mlp
from torch import Tensor, nn

from mae_transfer.layers.block import layer_scale
from mae_transfer.layers.cross_attention import CrossAttention


class RegressorBlock(nn.Module):
    """Queries of hidden patches attend to all patches (Chen et al. 2022, section 3.1 and its code).

    Unlike a pre-norm block, the second residual branch starts from the normalized state.

    Args:
        embed_dims: Width D of a token.
        num_heads: Attention heads.
        mlp_ratio: Hidden width of the MLP, in units of D.
        layer_scale_init: Start of the per-channel scale of both branches; None = none.
        drop_path_rate: Probability to drop a branch of a sample in training.
        norm_eps: Epsilon of the layer norms.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        mlp_ratio: float = 4.0,
        layer_scale_init: float | None = 0.1,
        drop_path_rate: float = 0.0,
        norm_eps: float = 1e-6,
    ) -> None:
        super().__init__()
        self.norm1_q = nn.LayerNorm(embed_dims, eps=norm_eps)
        self.norm1_k = nn.LayerNorm(embed_dims, eps=norm_eps)
        self.norm1_v = nn.LayerNorm(embed_dims, eps=norm_eps)
        self.attn = CrossAttention(embed_dims, num_heads)
        self.ls1 = layer_scale(embed_dims, layer_scale_init)
        self.norm2 = nn.LayerNorm(embed_dims, eps=norm_eps)
        self.mlp = Mlp(embed_dims, int(mlp_ratio * embed_dims))
        self.ls2 = layer_scale(embed_dims, layer_scale_init)
        self.drop_path = DropPath(drop_path_rate) if drop_path_rate else nn.Identity()

    def forward(self, x: Tensor, visible: Tensor, pos_x: Tensor, pos_visible: Tensor) -> Tensor:
        """Update the hidden patches; the visible ones stay.

        Args:
            x: Hidden patches, (B, M, D).
            visible: Visible patches, (B, V, D).
            pos_x: Positions of the hidden patches, (B, M, D).
            pos_visible: Positions of the visible patches, (B, V, D).

        Returns:
            (B, M, D).
        """
        tokens = torch.cat([visible, x], dim=1)  # (B, V + M, D)
        positions = torch.cat([pos_visible, pos_x], dim=1)
        query = self.norm1_q(x + pos_x)
        key, value = self.norm1_k(tokens + positions), self.norm1_v(tokens)  # no positions in value
        x = x + self.drop_path(self.ls1(self.attn(query, key, value)))
        x = self.norm2(x)
        return x + self.drop_path(self.ls2(self.mlp(x)))


class LatentRegressor(nn.Module):
    """Turns a mask token per hidden patch into a prediction of its latent, block by block.

    Args:
        embed_dims: Width D of a token.
        num_layers: Blocks.
        num_heads: Attention heads.
        mlp_ratio: See :class:`RegressorBlock`.
        layer_scale_init: See :class:`RegressorBlock`.
        drop_path_rate: Of the last block; it grows linearly from 0.
        norm_eps: Epsilon of the layer norms.
    """

    def __init__(
        self,
        embed_dims: int = 768,
        num_layers: int = 4,
        num_heads: int = 12,
        mlp_ratio: float = 4.0,
        layer_scale_init: float | None = 0.1,
        drop_path_rate: float = 0.0,
        norm_eps: float = 1e-6,
    ) -> None:
        super().__init__()
        self.mask_token = nn.Parameter(torch.zeros(1, 1, embed_dims))
        last = max(num_layers - 1, 1)
        self.blocks = nn.ModuleList(
            RegressorBlock(
                embed_dims,
                num_heads,
                mlp_ratio,
                layer_scale_init,
                drop_path_rate * i / last,
                norm_eps,
            )
            for i in range(num_layers)
        )
        self.norm = nn.LayerNorm(embed_dims, eps=norm_eps)

    def forward(self, visible: Tensor, pos_visible: Tensor, pos_hidden: Tensor) -> Tensor:
        """Predict latents.

        Args:
            visible: Latents of the visible patches, without class token, (B, V, D).
            pos_visible: Their positions, (B, V, D).
            pos_hidden: Positions of the hidden patches, (B, M, D).

        Returns:
            (B, M, D).
        """
        x = self.mask_token.expand(*pos_hidden.shape[:2], -1)  # (B, M, D)
        for block in self.blocks:
            x = block(x, visible, pos_hidden, pos_visible)
        return self.norm(x)
