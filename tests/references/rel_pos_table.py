"""Slow, obvious versions of BEiT's table of relative positions: loops over pairs and heads."""

import torch
from scipy.interpolate import RectBivariateSpline
from torch import Tensor, nn


def naive_table_bias(table: Tensor, grid: tuple[int, int], with_cls: bool) -> Tensor:
    """Bias of every pair (query, key), (heads, N, N), looked up one after another."""
    h, w = grid
    first = int(with_cls)
    bias = torch.zeros(table.shape[1], first + h * w, first + h * w)
    for i in range(h * w):
        for j in range(h * w):
            rows, columns = i // w - j // w, i % w - j % w
            row_of_table = (rows + h - 1) * (2 * w - 1) + columns + w - 1
            bias[:, first + i, first + j] = table[row_of_table]
    if with_cls:
        bias[:, 0, 1:] = table[-3, :, None]
        bias[:, 1:, 0] = table[-2, :, None]
        bias[:, 0, 0] = table[-1]
    return bias


def naive_table_attention(
    attn: nn.Module, x: Tensor, grid: tuple[int, int], table: Tensor, with_cls: bool
) -> Tensor:
    """Attention with a table, softmax written out."""
    b, n, c = x.shape
    q, k, v = attn.qkv(x).reshape(b, n, 3, attn.num_heads, -1).permute(2, 0, 3, 1, 4)
    logits = q @ k.transpose(-2, -1) * (c // attn.num_heads) ** -0.5
    weights = (logits + naive_table_bias(table, grid, with_cls)).softmax(dim=-1)
    return attn.proj((weights @ v).transpose(1, 2).reshape(b, n, c))


def _beit_places(source: int, target: int) -> list[float]:
    """Where BEiT's code puts the distances of a table of ``source`` on an axis of ``target``."""
    left, right = 1.01, 1.5
    while right - left > 1e-6:
        q = (left + right) / 2.0
        if (1 - q ** (source // 2)) / (1 - q) > target // 2:
            right = q
        else:
            left = q
    place, places = 0.0, []
    for power in range(source // 2):
        place += q**power
        places.append(place)
    return [-p for p in reversed(places)] + [0.0] + places


def naive_resize_table(table: Tensor, source: tuple[int, int], target: tuple[int, int]) -> Tensor:
    """Head by head, SciPy's bicubic spline over both axes at once; no class token."""
    (h, w), (new_h, new_w) = (tuple(2 * side - 1 for side in grid) for grid in (source, target))
    rows, columns = torch.arange(new_h) - new_h // 2, torch.arange(new_w) - new_w // 2
    heads = []
    for head in table.t():
        spline = RectBivariateSpline(
            _beit_places(h, new_h), _beit_places(w, new_w), head.reshape(h, w).numpy()
        )
        heads.append(torch.from_numpy(spline(rows.numpy(), columns.numpy())).float().flatten())
    return torch.stack(heads, dim=1)
