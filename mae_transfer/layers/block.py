"""Pre-norm transformer block: attention (global or in windows), then a two-layer MLP."""

from timm.layers import DropPath, LayerScale, Mlp
from timm.models.vision_transformer_sam import window_partition, window_unpartition
from torch import Tensor, nn

from mae_transfer.layers.attention import Attention


def layer_scale(embed_dims: int, init: float | None) -> nn.Module:
    """Build the learned scale per channel of a residual branch; without ``init`` there is none."""
    return nn.Identity() if init is None else LayerScale(embed_dims, init_values=init)


class Block(nn.Module):
    """One block of ViT (https://arxiv.org/abs/2010.11929, eq. 2 and 3); names are timm's.

    Args:
        embed_dims: Width C of a token.
        num_heads: Attention heads.
        mlp_ratio: Hidden width of the MLP, in units of C.
        qkv_bias: See :class:`~mae_transfer.layers.attention.Attention`.
        layer_scale_init: Start of the per-channel scale of both branches (CaiT); None = none.
        drop_path_rate: Probability to drop a branch of a sample in training (stochastic depth).
        norm_eps: Epsilon of the layer norms.
        window_size: Side of the attention windows, in tokens; 0 = attention over all tokens.
        rel_pos_size: Rows and columns of the relative-position tables; None = none.
        rel_pos: Their form, see :class:`~mae_transfer.layers.attention.Attention`.
        num_prefix_tokens: 1 if a class token precedes the patches, else 0.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        mlp_ratio: float = 4.0,
        qkv_bias: bool | str = True,
        layer_scale_init: float | None = None,
        drop_path_rate: float = 0.0,
        norm_eps: float = 1e-6,
        window_size: int = 0,
        rel_pos_size: tuple[int, int] | None = None,
        rel_pos: str = 'decomposed',
        num_prefix_tokens: int = 0,
    ) -> None:
        super().__init__()
        self.window_size = window_size
        self.norm1 = nn.LayerNorm(embed_dims, eps=norm_eps)
        self.attn = Attention(
            embed_dims, num_heads, qkv_bias, rel_pos_size, rel_pos, num_prefix_tokens
        )
        self.ls1 = layer_scale(embed_dims, layer_scale_init)
        self.norm2 = nn.LayerNorm(embed_dims, eps=norm_eps)
        self.mlp = Mlp(embed_dims, int(mlp_ratio * embed_dims))
        self.ls2 = layer_scale(embed_dims, layer_scale_init)
        # One per branch, so that a frozen branch can be left out of the dropping.
        self.drop_path1 = DropPath(drop_path_rate) if drop_path_rate else nn.Identity()
        self.drop_path2 = DropPath(drop_path_rate) if drop_path_rate else nn.Identity()

    def attention_branch(self) -> list[nn.Module]:
        """List the modules of the first residual branch; the others are the MLP's."""
        return [self.norm1, self.attn, self.ls1, self.drop_path1]

    def _attend_in_windows(
        self, x: Tensor, grid: tuple[int, int] | None, bias: Tensor | None = None
    ) -> Tensor:
        """Attend in square windows; those that leave the map are padded with zeros.

        As in ViTDet's released code, padded tokens take part as keys. The norm comes before the
        padding, so they are zero when they reach the projection of keys and values.
        """
        assert grid is not None, 'a block with windows needs the grid of its tokens'
        b, n, c = x.shape
        size = self.window_size
        windows, padded = window_partition(x.reshape(b, *grid, c), size)  # (B * windows, s, s, C)
        windows = self.attn(windows.flatten(1, 2), (size, size), bias).reshape(windows.shape)
        return window_unpartition(windows, size, grid, padded).reshape(b, n, c)

    def forward(
        self, x: Tensor, grid: tuple[int, int] | None = None, bias: Tensor | None = None
    ) -> Tensor:
        """Transform tokens.

        Args:
            x: Tokens, (B, N, C); without prefix tokens when the block has windows or decomposed
                relative positions.
            grid: Rows and columns of the patch tokens; windows and relative positions need it.
            bias: Of a table of relative position that blocks share, (1, heads, N, N), N the tokens
                of a window in a block with windows.

        Returns:
            (B, N, C).
        """
        attend = self._attend_in_windows if self.window_size else self.attn
        x = x + self.drop_path1(self.ls1(attend(self.norm1(x), grid, bias)))
        return x + self.drop_path2(self.ls2(self.mlp(self.norm2(x))))
