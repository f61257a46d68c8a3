"""Decomposed relative position of ViTDet and MViTv2: one table for rows, one for columns."""

import torch
import torch.nn.functional as F
from torch import Tensor


def resize_rel_pos(rel_pos: Tensor, size: int) -> Tensor:
    """Interpolate a table of relative positions linearly to another side length.

    Args:
        rel_pos: (2 * old_size - 1, head_dim).
        size: Positions along the axis that are wanted.

    Returns:
        (2 * size - 1, head_dim).
    """
    if len(rel_pos) == 2 * size - 1:
        return rel_pos
    resized = F.interpolate(rel_pos.t().unsqueeze(0).float(), size=2 * size - 1, mode='linear')
    return resized.squeeze(0).t().to(rel_pos.dtype)


def gather_rel_pos(rel_pos: Tensor, size: int) -> Tensor:
    """Look up the vector of every pair (query, key) along one axis.

    Args:
        rel_pos: Table, (2 * size - 1, head_dim), or of another size: it is interpolated.
        size: Positions along the axis.

    Returns:
        (size, size, head_dim); entry [q, k] belongs to the distance q - k.
    """
    positions = torch.arange(size, device=rel_pos.device)
    return resize_rel_pos(rel_pos, size)[positions[:, None] - positions[None, :] + size - 1]


def axis_logits(
    q: Tensor, rel_pos_h: Tensor, rel_pos_w: Tensor, grid: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Project queries on the relative positions of both axes (ViTDet, arXiv 2203.16527, sec. 3).

    Args:
        q: Queries *before* scaling, (B, heads, h * w, head_dim).
        rel_pos_h: Table of the rows, (2 * size - 1, head_dim).
        rel_pos_w: Table of the columns, (2 * size - 1, head_dim).
        grid: Rows h and columns w of the tokens.

    Returns:
        Logits towards each row, (B, heads, h * w, h), and each column, (B, heads, h * w, w).
    """
    b, heads, _, head_dim = q.shape
    h, w = grid
    by_place = q.reshape(b, heads, h, w, head_dim)
    rows = torch.einsum('bnhwc,hkc->bnhwk', by_place, gather_rel_pos(rel_pos_h, h).to(q.dtype))
    columns = torch.einsum('bnhwc,wkc->bnhwk', by_place, gather_rel_pos(rel_pos_w, w).to(q.dtype))
    return rows.flatten(2, 3), columns.flatten(2, 3)


def decomposed_bias(
    q: Tensor, rel_pos_h: Tensor, rel_pos_w: Tensor, grid: tuple[int, int]
) -> Tensor:
    """Attention bias of decomposed relative positions: row part plus column part.

    Args:
        q: Queries *before* scaling, (B, heads, h * w, head_dim).
        rel_pos_h: Table of the rows, (2 * size - 1, head_dim).
        rel_pos_w: Table of the columns, (2 * size - 1, head_dim).
        grid: Rows h and columns w of the tokens.

    Returns:
        (B, heads, h * w, h * w), to be added to the scaled product of queries and keys.
    """
    rows, columns = axis_logits(q, rel_pos_h, rel_pos_w, grid)
    return (rows.unsqueeze(-1) + columns.unsqueeze(-2)).flatten(-2)
