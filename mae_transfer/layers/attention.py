"""Multi-head self-attention by PyTorch's fused kernels, with optional relative position."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mae_transfer.layers.rel_pos import decomposed_bias


class Attention(nn.Module):
    """Self-attention over tokens.

    Args:
        embed_dims: Width C of a token, a multiple of ``num_heads``.
        num_heads: Heads.
        qkv_bias: True, False, or 'no-key' (BEiT, CAE: learned biases of query and value, none of
            key; exact, since a bias of the key moves all logits of a query alike).
        rel_pos_size: Rows and columns that the tables of the decomposed relative position are made
            for; None = no relative position. The tables start at zero: the layer then equals one
            without them.

    Raises:
        ValueError: If ``num_heads`` does not divide ``embed_dims`` or ``qkv_bias`` is unknown.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        qkv_bias: bool | str = True,
        rel_pos_size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        if embed_dims % num_heads:
            raise ValueError(f'num_heads={num_heads} must divide embed_dims={embed_dims}')
        if qkv_bias not in (True, False, 'no-key'):
            raise ValueError(f"qkv_bias={qkv_bias!r}: must be True, False or 'no-key'")
        self.num_heads = num_heads
        self.qkv = nn.Linear(embed_dims, 3 * embed_dims, bias=qkv_bias is True)
        self.q_bias = self.v_bias = None
        if qkv_bias == 'no-key':
            self.q_bias = nn.Parameter(torch.zeros(embed_dims))
            self.v_bias = nn.Parameter(torch.zeros(embed_dims))
        self.proj = nn.Linear(embed_dims, embed_dims)
        self.rel_pos_h = self.rel_pos_w = None
        if rel_pos_size is not None:
            head_dim = embed_dims // num_heads
            self.rel_pos_h = nn.Parameter(torch.zeros(2 * rel_pos_size[0] - 1, head_dim))
            self.rel_pos_w = nn.Parameter(torch.zeros(2 * rel_pos_size[1] - 1, head_dim))

    def _qkv_bias(self) -> Tensor | None:
        if self.q_bias is None:
            return self.qkv.bias
        return torch.cat([self.q_bias, torch.zeros_like(self.q_bias), self.v_bias])

    def forward(self, x: Tensor, grid: tuple[int, int] | None = None) -> Tensor:
        """Attend.

        Args:
            x: Tokens, (B, N, C).
            grid: Rows and columns of the tokens; needed for the relative position only, which
                takes no prefix tokens.

        Returns:
            (B, N, C).
        """
        b, n, c = x.shape
        qkv = F.linear(x, self.qkv.weight, self._qkv_bias())
        q, k, v = qkv.reshape(b, n, 3, self.num_heads, -1).permute(
            2, 0, 3, 1, 4
        )  # (B, heads, N, -1)
        bias = None
        if self.rel_pos_h is not None:
            bias = decomposed_bias(q, self.rel_pos_h, self.rel_pos_w, grid)
        x = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return self.proj(x.transpose(1, 2).reshape(b, n, c))
