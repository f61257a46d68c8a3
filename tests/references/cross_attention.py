"""Slow, obvious version of cross-attention: one query, one head, one key after another."""

import math

import torch
from torch import Tensor, nn


def naive_cross_attention(attn: nn.Module, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention of each query (B, N, C) to keys and values (B, M, C) with ``attn``'s weights."""
    size = query.shape[2] // attn.num_heads
    gathered = torch.zeros_like(query)
    for image in range(len(query)):
        for n in range(query.shape[1]):
            for head in range(attn.num_heads):
                part = slice(head * size, (head + 1) * size)
                q = (attn.q.weight @ query[image, n] + attn.q_bias)[part]
                keys = [(attn.k.weight @ token)[part] for token in key[image]]
                values = [(attn.v.weight @ token + attn.v_bias)[part] for token in value[image]]
                weights = [math.exp(q @ k / math.sqrt(size)) for k in keys]
                for weight, v in zip(weights, values, strict=True):
                    gathered[image, n, part] += weight / sum(weights) * v
    return gathered @ attn.proj.weight.T + attn.proj.bias
