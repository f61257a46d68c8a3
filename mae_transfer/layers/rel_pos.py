"""Relative position in attention: decomposed (ViTDet, MViTv2) or one bias table per head (BEiT).

Decomposed: a query is multiplied by one vector per row distance and by one per column distance.
Table: every head adds a learned number per distance (rows, columns), whatever the query.
"""

import functools

import numpy as np
import torch
import torch.nn.functional as F
from scipy.interpolate import make_interp_spline
from torch import Tensor, nn

PREFIX_ROWS = 3  # of a table: class token -> patches, patches -> class token, class token -> itself


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


# ---- one table per head ----------------------------------------------------------------------


def rel_pos_table_rows(grid: tuple[int, int], num_prefix_tokens: int = 0) -> int:
    """Count the rows of a bias table: one per distance, and three more with a class token."""
    h, w = grid
    return (2 * h - 1) * (2 * w - 1) + PREFIX_ROWS * num_prefix_tokens


def _geometric_places(num: int, reach: int) -> np.ndarray:
    """Places of a table's distances 0, 1, .. ``num`` on the axis of a larger one, and mirrored.

    Steps grow by a factor q, so that small distances keep their meaning and the last one lands on
    ``reach``. The bounds of q, 1.01 and 1.5, are those of BEiT's code; a shrinking table keeps q at
    the lower one, so it is nearly cropped.
    """
    low, high = 1.01, 1.5
    while high - low > 1e-6:
        q = (low + high) / 2
        if (q**num - 1) / (q - 1) > reach:
            high = q
        else:
            low = q
    half = np.cumsum(q ** np.arange(num))
    return np.concatenate([-half[::-1], [0.0], half])


@functools.lru_cache(maxsize=256)
def _resize_matrix(source: int, target: int, device: torch.device) -> Tensor:
    """Cubic spline along one axis of a table, as a matrix (2 * target - 1, 2 * source - 1)."""
    places = _geometric_places(source - 1, target - 1)
    wanted = np.arange(1 - target, target, dtype=np.float64).clip(places[0], places[-1])
    if source == 1:
        matrix = np.ones((len(wanted), 1))
    else:
        spline = make_interp_spline(places, np.eye(len(places)), k=min(3, len(places) - 1))
        matrix = spline(wanted)
    return torch.from_numpy(matrix).to(device, torch.float32)


def resize_rel_pos_table(
    table: Tensor,
    source_grid: tuple[int, int],
    target_grid: tuple[int, int],
    num_prefix_tokens: int = 0,
) -> Tensor:
    """Interpolate a bias table to another window, as BEiT does (Bao et al. 2021, released code).

    Cubic splines on a geometric progression of distances: the bias of near tokens stays what it
    was, that of far ones is stretched. The result is linear in ``table``, so gradients flow.

    Args:
        table: ((2h - 1) * (2w - 1) + 3 * num_prefix_tokens, heads).
        source_grid: Rows h and columns w that ``table`` was made for.
        target_grid: Rows and columns that are wanted.
        num_prefix_tokens: 1 if the last three rows belong to a class token (they stay), else 0.

    Returns:
        The table of ``target_grid``, same dtype; ``table`` itself when the grids agree.

    Raises:
        ValueError: If ``table`` is not one of ``source_grid``.
    """
    (h, w), (new_h, new_w) = source_grid, target_grid
    if len(table) != rel_pos_table_rows(source_grid, num_prefix_tokens):
        raise ValueError(
            f'source_grid={h}x{w} with {num_prefix_tokens} prefix tokens needs '
            f'{rel_pos_table_rows(source_grid, num_prefix_tokens)} rows, but table has '
            f'{len(table)}: give the grid that it was made for'
        )
    if (h, w) == (new_h, new_w):
        return table
    num = (2 * h - 1) * (2 * w - 1)
    rows = _resize_matrix(h, new_h, table.device)
    columns = _resize_matrix(w, new_w, table.device)
    with torch.autocast(table.device.type, enabled=False):  # it would run einsum in half precision
        maps = table[:num].float().reshape(2 * h - 1, 2 * w - 1, -1)
        maps = torch.einsum('ai,bj,ijn->abn', rows, columns, maps)  # (2h' - 1, 2w' - 1, heads)
    return torch.cat([maps.flatten(0, 1).to(table.dtype), table[num:]])


def table_bias(
    table: Tensor,
    table_grid: tuple[int, int],
    grid: tuple[int, int],
    num_prefix_tokens: int = 0,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Attention bias of a table: entry [head, q, k] is that of the distance q - k.

    Distances of pairs are overlapping windows of the table, so no index of h * w * h * w pairs is
    kept or sorted in the backward pass.

    Args:
        table: ((2h - 1) * (2w - 1) + 3 * num_prefix_tokens, heads) of ``table_grid``.
        table_grid: Rows and columns that ``table`` is made for.
        grid: Rows h and columns w of the tokens; another one than ``table_grid`` is interpolated.
        num_prefix_tokens: 1 if a class token precedes the patches, else 0.
        dtype: Of the bias, that of the table if not given. Gradients are summed in the table's.

    Returns:
        (1, heads, N, N), N = num_prefix_tokens + h * w, to be added to the scaled product of
        queries and keys.
    """
    h, w = grid
    table = resize_rel_pos_table(table, table_grid, grid, num_prefix_tokens)
    num = (2 * h - 1) * (2 * w - 1)
    maps = table[:num].t().reshape(-1, 2 * h - 1, 2 * w - 1)
    # Windows of the table, (heads, h, w, h, w): entry [i, j, k, l] is that of i + k, j + l. The
    # large copies are made in the small dtype.
    bias = maps.unfold(1, h, 1).unfold(2, w, 1).to(dtype or table.dtype)
    bias = bias.flip(3, 4).reshape(1, -1, h * w, h * w)  # now that of i - k, j - l
    if not num_prefix_tokens:
        return bias
    to_patch, to_cls, itself = table[num:, None, :, None, None].to(bias.dtype)  # (1, heads, 1, 1)
    left = to_cls.expand(-1, -1, h * w, 1)
    top = torch.cat([itself, to_patch.expand(-1, -1, 1, h * w)], dim=3)
    return torch.cat([top, torch.cat([left, bias], dim=3)], dim=2)


class RelPosBias(nn.Module):
    """One bias table shared by several blocks; it starts at zero.

    Names are those of BEiT's pre-training (https://arxiv.org/abs/2106.08254, sec. 2.2).

    Args:
        num_heads: Heads of the blocks.
        grid: Rows and columns of patches that the table is made for.
        num_prefix_tokens: 1 if a class token precedes the patches, else 0.
    """

    def __init__(self, num_heads: int, grid: tuple[int, int], num_prefix_tokens: int = 0) -> None:
        super().__init__()
        self.grid, self.num_prefix_tokens = grid, num_prefix_tokens
        rows = rel_pos_table_rows(grid, num_prefix_tokens)
        self.relative_position_bias_table = nn.Parameter(torch.zeros(rows, num_heads))

    def forward(self, grid: tuple[int, int], dtype: torch.dtype | None = None) -> Tensor:
        """Return the bias of the tokens of a grid, (1, heads, N, N), N with the class token."""
        table = self.relative_position_bias_table
        return table_bias(table, self.grid, grid, self.num_prefix_tokens, dtype)
