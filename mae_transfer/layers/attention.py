"""Multi-head self-attention by PyTorch's fused kernels, with optional relative position."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mae_transfer.layers.rel_pos import decomposed_bias, rel_pos_table_rows, table_bias

REL_POS = ('decomposed', 'table')


class Attention(nn.Module):
    """Self-attention over tokens.

    Args:
        embed_dims: Width C of a token, a multiple of ``num_heads``.
        num_heads: Heads.
        qkv_bias: True, False, or 'no-key' (BEiT, CAE: learned biases of query and value, none of
            key; nothing is lost, since a key bias shifts all logits of a query equally, and softmax
            ignores it).
        rel_pos_size: Rows and columns that the layer's tables of relative position are made for;
            None = it has none. They start at zero: the layer then equals one without them.
        rel_pos: 'decomposed' (ViTDet: ``rel_pos_h``, ``rel_pos_w``) or 'table' (BEiT:
            ``relative_position_bias_table``).
        num_prefix_tokens: 1 if a class token precedes the patches; a 'table' has rows for it.

    Raises:
        ValueError: If ``num_heads`` does not divide ``embed_dims``, ``qkv_bias`` or ``rel_pos`` is
            unknown, or a class token meets decomposed positions.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        qkv_bias: bool | str = True,
        rel_pos_size: tuple[int, int] | None = None,
        rel_pos: str = 'decomposed',
        num_prefix_tokens: int = 0,
    ) -> None:
        super().__init__()
        if embed_dims % num_heads:
            raise ValueError(f'num_heads={num_heads} must divide embed_dims={embed_dims}')
        if qkv_bias not in (True, False, 'no-key'):
            raise ValueError(f"qkv_bias={qkv_bias!r}: must be True, False or 'no-key'")
        if rel_pos not in REL_POS:
            raise ValueError(f'rel_pos={rel_pos!r}: must be one of {REL_POS}')
        if rel_pos_size is not None and rel_pos == 'decomposed' and num_prefix_tokens:
            raise ValueError(
                "rel_pos='decomposed' takes no class token: it has no place on the map"
            )
        self.num_heads = num_heads
        self.rel_pos_size, self.num_prefix_tokens = rel_pos_size, num_prefix_tokens
        self.qkv = nn.Linear(embed_dims, 3 * embed_dims, bias=qkv_bias is True)
        self.q_bias = self.v_bias = None
        if qkv_bias == 'no-key':
            self.q_bias = nn.Parameter(torch.zeros(embed_dims))
            self.v_bias = nn.Parameter(torch.zeros(embed_dims))
        self.proj = nn.Linear(embed_dims, embed_dims)
        self.rel_pos_h = self.rel_pos_w = self.relative_position_bias_table = None
        if rel_pos_size is not None and rel_pos == 'table':
            rows = rel_pos_table_rows(rel_pos_size, num_prefix_tokens)
            self.relative_position_bias_table = nn.Parameter(torch.zeros(rows, num_heads))
        elif rel_pos_size is not None:
            head_dim = embed_dims // num_heads
            self.rel_pos_h = nn.Parameter(torch.zeros(2 * rel_pos_size[0] - 1, head_dim))
            self.rel_pos_w = nn.Parameter(torch.zeros(2 * rel_pos_size[1] - 1, head_dim))

    def _qkv_bias(self) -> Tensor | None:
        if self.q_bias is None or self.v_bias is None:
            return self.qkv.bias
        return torch.cat([self.q_bias, torch.zeros_like(self.q_bias), self.v_bias])

    def _own_bias(self, q: Tensor, grid: tuple[int, int] | None) -> Tensor | None:
        """Bias of the layer's own tables of relative position, in the dtype of the queries."""
        if self.rel_pos_size is None:
            return None
        assert grid is not None, 'tables of relative position need the grid of the tokens'
        if self.rel_pos_h is not None and self.rel_pos_w is not None:
            return decomposed_bias(q, self.rel_pos_h, self.rel_pos_w, grid)
        table = self.relative_position_bias_table
        assert table is not None, 'a layer with rel_pos_size has tables'
        return table_bias(table, self.rel_pos_size, grid, self.num_prefix_tokens, q.dtype)

    def forward(
        self, x: Tensor, grid: tuple[int, int] | None = None, bias: Tensor | None = None
    ) -> Tensor:
        """Compute softmax(q k^T / sqrt(head width) + bias) v for each head, and project the result.

        Args:
            x: Tokens, (B, N, C).
            grid: Rows and columns of the patch tokens; the layer's own tables need it.
            bias: (1, heads, N, N), of a table that several layers share; it replaces the bias of
                the layer's own tables.

        Returns:
            (B, N, C).
        """
        b, n, c = x.shape
        qkv = F.linear(x, self.qkv.weight, self._qkv_bias())
        q, k, v = qkv.reshape(b, n, 3, self.num_heads, -1).permute(
            2, 0, 3, 1, 4
        )  # (B, heads, N, -1)
        bias = self._own_bias(q, grid) if bias is None else bias.to(q.dtype)
        x = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return self.proj(x.transpose(1, 2).reshape(b, n, c))
