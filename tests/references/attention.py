"""Slow, obvious versions of ViTDet's attention: loops over pairs of tokens and over windows."""

import torch
from torch import Tensor, nn


def naive_relative_attention(attn: nn.Module, x: Tensor, grid: tuple[int, int]) -> Tensor:
    """Attention of one head after another, one pair of tokens after another.

    Logit = scale * q.k + q.R_h[row distance] + q.R_w[column distance], the queries of the last two
    terms unscaled.
    """
    b, n, c = x.shape
    h, w = grid
    heads, head_dim = attn.num_heads, c // attn.num_heads
    qkv = attn.qkv(x)
    q, k, v = qkv[..., :c], qkv[..., c : 2 * c], qkv[..., 2 * c :]
    out = torch.zeros_like(x)
    for image in range(b):
        for head in range(heads):
            part = slice(head * head_dim, (head + 1) * head_dim)
            logits = torch.zeros(n, n)
            for i in range(n):
                for j in range(n):
                    query, key = q[image, i, part], k[image, j, part]
                    logits[i, j] = query @ key * head_dim**-0.5
                    logits[i, j] += query @ attn.rel_pos_h[i // w - j // w + h - 1]
                    logits[i, j] += query @ attn.rel_pos_w[i % w - j % w + w - 1]
            out[image, :, part] = logits.softmax(dim=1) @ v[image, :, part]
    return attn.proj(out)


def naive_window_attention(attn: nn.Module, x: Tensor, size: int) -> Tensor:
    """Attention in windows of a normalized map (B, h, w, C), window by window.

    A window that sticks out holds zero tokens, which take part as keys.
    """
    b, h, w, c = x.shape
    out = torch.zeros_like(x)
    for image in range(b):
        for top in range(0, h, size):
            for left in range(0, w, size):
                window = torch.zeros(size, size, c)
                piece = x[image, top : top + size, left : left + size]
                window[: piece.shape[0], : piece.shape[1]] = piece
                seen = naive_relative_attention(attn, window.reshape(1, -1, c), (size, size))
                seen = seen.reshape(size, size, c)[: piece.shape[0], : piece.shape[1]]
                out[image, top : top + size, left : left + size] = seen
    return out
