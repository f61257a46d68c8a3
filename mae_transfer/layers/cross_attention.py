"""Multi-head attention whose queries come from other tokens than keys and values, as in CAE."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class CrossAttention(nn.Module):
    """Cross-attention with separate projections (CAE, https://arxiv.org/abs/2202.03026).

    Queries and values have a learned bias. Keys have none: it would shift all logits of a query
    equally, and softmax ignores that. Names are those of CAE's code.

    Args:
        embed_dims: Width C of a token, a multiple of ``num_heads``.
        num_heads: Heads.

    Raises:
        ValueError: If ``num_heads`` does not divide ``embed_dims``.
    """

    def __init__(self, embed_dims: int, num_heads: int) -> None:
        super().__init__()
        if embed_dims % num_heads:
            raise ValueError(f'num_heads={num_heads} must divide embed_dims={embed_dims}')
        self.num_heads = num_heads
        self.q = nn.Linear(embed_dims, embed_dims, bias=False)
        self.k = nn.Linear(embed_dims, embed_dims, bias=False)
        self.v = nn.Linear(embed_dims, embed_dims, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(embed_dims))
        self.v_bias = nn.Parameter(torch.zeros(embed_dims))
        self.proj = nn.Linear(embed_dims, embed_dims)

    def _split_heads(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.num_heads, -1)).transpose(1, 2)  # (B, heads, N, C / heads)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Compute softmax(q k^T / sqrt(head width)) v for each head, and project the result.

        Args:
            query: (B, N, C).
            key: (B, M, C).
            value: (B, M, C).

        Returns:
            (B, N, C).
        """
        q = self._split_heads(F.linear(query, self.q.weight, self.q_bias))
        k = self._split_heads(self.k(key))
        v = self._split_heads(F.linear(value, self.v.weight, self.v_bias))
        x = F.scaled_dot_product_attention(q, k, v)
        return self.proj(x.transpose(1, 2).flatten(2))  # (B, N, C)
