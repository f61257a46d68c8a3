"""Absolute position embeddings: fixed sine-cosine tables and their resizing to another grid."""

import torch
import torch.nn.functional as F
from torch import Tensor

ROUNDING = 5e-4  # of values up to 1 in float16


def _sincos_1d(positions: Tensor, dims: int) -> Tensor:
    """Sines, then cosines of ``positions`` at dims / 2 frequencies, (N, dims), float64."""
    # In float64, as in MAE's code: float32 would differ in the last digits of the table.
    frequencies = 10000 ** -(torch.arange(dims // 2, dtype=torch.float64) / (dims / 2))
    angles = torch.outer(positions.double(), frequencies)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def sincos_pos_embed(
    embed_dims: int, grid: tuple[int, int], order: str = 'xy', num_prefix_tokens: int = 1
) -> Tensor:
    """Build the fixed 2-D sine-cosine table of MAE (He et al. 2021, appendix A.1).

    Half of the channels encode one axis, half the other. Published code disagrees on which comes
    first, and a table in the wrong order silently transposes space: MAE puts the column first
    ('xy'), MMPretrain, BEiT's successors and CAE the row ('yx').

    Args:
        embed_dims: Channels, a multiple of 4.
        grid: Rows and columns of patches.
        order: 'xy' (column in the first half) or 'yx' (row in the first half).
        num_prefix_tokens: Leading rows of zeros, for a class token.

    Returns:
        (1, num_prefix_tokens + h * w, embed_dims), float32.

    Raises:
        ValueError: If ``embed_dims`` is not a multiple of 4 or ``order`` is unknown.
    """
    if embed_dims % 4:
        raise ValueError(
            f'embed_dims={embed_dims}: a sine-cosine table of two axes needs a multiple of 4'
        )
    if order not in ('xy', 'yx'):
        raise ValueError(f"order={order!r}: must be 'xy' (MAE) or 'yx' (MMPretrain, CAE)")
    rows, columns = torch.meshgrid(torch.arange(grid[0]), torch.arange(grid[1]), indexing='ij')
    axes = (columns, rows) if order == 'xy' else (rows, columns)
    table = torch.cat([_sincos_1d(axis.flatten(), embed_dims // 2) for axis in axes], dim=1)
    prefix = torch.zeros(num_prefix_tokens, embed_dims, dtype=table.dtype)
    return torch.cat([prefix, table]).float().unsqueeze(0)


def resize_pos_embed(
    pos_embed: Tensor,
    new_grid: tuple[int, int],
    old_grid: tuple[int, int] | None = None,
    num_prefix_tokens: int = 1,
) -> Tensor:
    """Interpolate a position table to another grid, as MAE and detectron2 do.

    Bicubic, ``align_corners=False``, no antialiasing; rows of prefix tokens stay as they are. The
    target is given as a size, never as a factor, so no rounding can miss it by one.

    Args:
        pos_embed: (1, num_prefix_tokens + h * w, C).
        new_grid: Rows and columns that are wanted.
        old_grid: Rows and columns that ``pos_embed`` has; a square when not given.
        num_prefix_tokens: Leading rows that belong to no patch.

    Returns:
        (1, num_prefix_tokens + new_h * new_w, C), same dtype.

    Raises:
        ValueError: If ``old_grid`` is not the grid of ``pos_embed``.
    """
    prefix, table = pos_embed[:, :num_prefix_tokens], pos_embed[:, num_prefix_tokens:]
    length = table.shape[1]
    if old_grid is None:
        side = round(length**0.5)
        old_grid = (side, side)
    if old_grid[0] * old_grid[1] != length:
        raise ValueError(
            f'old_grid={old_grid} holds {old_grid[0] * old_grid[1]} patches, but pos_embed has '
            f'{length} after {num_prefix_tokens} prefix tokens: give the grid it was made for'
        )
    if tuple(old_grid) == tuple(new_grid):
        return pos_embed
    maps = table.reshape(1, *old_grid, -1).permute(0, 3, 1, 2)  # (1, C, h, w)
    # In float32: not every device interpolates in half precision.
    maps = F.interpolate(maps.float(), size=new_grid, mode='bicubic', align_corners=False)
    table = maps.flatten(2).transpose(1, 2).to(pos_embed.dtype)  # (1, new_h * new_w, C)
    return torch.cat([prefix, table], dim=1)


def sincos_orders(pos_embed: Tensor, grid: tuple[int, int]) -> tuple[str, ...]:
    """Recognize fixed sine-cosine positions by comparing them with the tables of both axis orders.

    Args:
        pos_embed: (1, rows, C); the rows in front of those of the patches are not looked at.
        grid: Rows and columns of patches.

    Returns:
        The orders that fit: none for learned positions, both for a single patch. Tables that were
        computed or saved in half precision are recognized.
    """
    dims, num_patches = pos_embed.shape[2], grid[0] * grid[1]
    if dims % 4:
        return ()
    table = pos_embed.detach()[:, -num_patches:].float().cpu()
    return tuple(
        order
        for order in ('xy', 'yx')
        if torch.allclose(table, sincos_pos_embed(dims, grid, order, 0), atol=ROUNDING)
    )
