"""Fits a file's relative positions to the encoder's windows: decomposed vectors and bias tables."""

import math

import torch
from torch import Tensor

from mae_transfer.backbones.plain_vit import PlainViT
from mae_transfer.checkpoints.layouts.parts import TABLE, ZERO_TABLES, rel_pos_names, zero_tables
from mae_transfer.checkpoints.steps import Fitted, Resized, Step, Tensors
from mae_transfer.layers.rel_pos import rel_pos_table_rows, resize_rel_pos, resize_rel_pos_table

SHARED, SHARED_WINDOW = f'rel_pos_bias.{TABLE}', f'rel_pos_bias_window.{TABLE}'


def fit_rel_pos(tensors: Tensors, vit: PlainViT, pos_grid: tuple[int, int] | None = None) -> Fitted:
    """Fit relative positions to the encoder's windows, and copy a shared table to each block.

    Decomposed vectors are interpolated linearly (detectron2), tables by BEiT's geometric
    progression. Rows of a class token that the encoder lacks are dropped, and so are tables of
    zeros that it has no place for. If the file has no relative positions, the encoder's stay fresh:
    they start at zero.

    Args:
        tensors: The file's encoder under PlainViT's names.
        vit: The encoder; it is not changed.
        pos_grid: Rows and columns that the file's tables were made for, if not square.

    Returns:
        The tensors and the steps.

    Raises:
        ValueError: If a table's rows match no square window.
    """
    wanted = vit.state_dict()
    tensors, vectors = _fit_decomposed(tensors, wanted)
    tensors, shared = _spread_shared(tensors, wanted)
    tensors, tables = _fit_tables(tensors, vit, wanted, pos_grid)
    tensors, idle = _drop_zero_tables(tensors, wanted)
    steps = [*vectors, *shared, *tables, *idle]
    missing = [] if rel_pos_names(tensors) else rel_pos_names(wanted)
    return tensors, [*steps, Step(fresh={'rel_pos': missing})] if missing else steps


def _fit_decomposed(tensors: Tensors, wanted: Tensors) -> Fitted:
    fitted: Tensors = {}
    resized: dict[str, Resized] = {}
    for name, table in tensors.items():
        if '.rel_pos_' not in name or name not in wanted or table.ndim != 2:
            continue
        length = len(wanted[name])
        if len(table) != length:
            fitted[name] = resize_rel_pos(table, (length + 1) // 2)
            how = f'linear, {len(table)} -> {length} distances'
            resized[name] = Resized(tuple(table.shape), tuple(fitted[name].shape), how)
    if not resized:
        return tensors, []
    return tensors | fitted, [Step(f'rel_pos {len(resized)} resized linearly', resized=resized)]


def _spread_shared(tensors: Tensors, wanted: Tensors) -> Fitted:
    """Copy a table shared by all blocks of the file to each table of the encoder."""
    places = [name for name in wanted if name.endswith(TABLE) and name not in tensors]
    if SHARED not in tensors or not places:
        return tensors, []
    spread = tensors | dict.fromkeys(places, tensors[SHARED])
    if SHARED not in wanted:
        del spread[SHARED]
    words = f'shared rel_pos table copied: {len(places)}'
    return spread, [Step(words, made_of=dict.fromkeys(places, [SHARED]))]


def _fit_tables(
    tensors: Tensors, vit: PlainViT, wanted: Tensors, pos_grid: tuple[int, int] | None
) -> Fitted:
    """Resize the bias tables; identical changes form one step."""
    fitted: Tensors = {}
    alike: dict[str, dict[str, Resized]] = {}
    for name, target in table_grids(vit).items():
        table = tensors.get(name)
        if table is None or table.ndim != 2 or table.shape[1] != wanted[name].shape[1]:
            continue  # the check of all tensors reports the problem
        new, how = _fit_table(name, table, target, vit.num_prefix_tokens, pos_grid)
        if how:
            fitted[name] = new
            resized = Resized(tuple(table.shape), tuple(new.shape), how)
            alike.setdefault(how, {})[name] = resized
    steps = [
        Step(f'rel_pos tables {len(resized)}: {how}', resized=resized)
        for how, resized in alike.items()
    ]
    return tensors | fitted, steps


def _drop_zero_tables(tensors: Tensors, wanted: Tensors) -> Fitted:
    """Drop tables of zeros that the encoder has no place for: they change nothing."""
    idle = [name for name in zero_tables(tensors) if name not in wanted]
    if not idle:
        return tensors, []
    tensors = {name: tensor for name, tensor in tensors.items() if name not in idle}
    return tensors, [Step(unused={ZERO_TABLES: idle})]


def table_grids(vit: PlainViT) -> dict[str, tuple[int, int]]:
    """Map the name of each bias table of an encoder to its rows and columns."""
    grids: dict[str, tuple[int, int]] = {
        f'blocks.{i}.attn.{TABLE}': block.attn.rel_pos_size
        for i, block in enumerate(vit.blocks)
        if block.attn.relative_position_bias_table is not None
    }
    for name, shared in ((SHARED, vit.rel_pos_bias), (SHARED_WINDOW, vit.rel_pos_bias_window)):
        if shared is not None:
            grids[name] = shared.grid
    return grids


def _fit_table(
    name: str,
    table: Tensor,
    target: tuple[int, int],
    num_prefix_tokens: int,
    pos_grid: tuple[int, int] | None,
) -> tuple[Tensor, str]:
    """Return the table for another window and prefix, and what was done; '' = nothing."""
    source, prefix = find_table_grid(name, len(table), target, pos_grid)
    how = []
    if source != target:
        table = resize_rel_pos_table(table, source, target, prefix)
        old, new = (f'{h}x{w}' for h, w in (source, target))
        how.append(f"{old} -> {new} on BEiT's geometric progression")
    if prefix > num_prefix_tokens:
        table = table[:-3]
        how.append('without the rows of the class token')
    elif prefix < num_prefix_tokens:
        table = torch.cat([table, table.new_zeros(3, table.shape[1])])
        how.append('with zero rows for the class token')
    return table, ', '.join(how)


def find_table_grid(
    name: str, rows: int, target: tuple[int, int], stated: tuple[int, int] | None = None
) -> tuple[tuple[int, int], int]:
    """Find the window of a bias table, and whether it has rows of a class token (1) or not (0).

    A stated grid takes precedence if its rows agree, then the encoder's own, then a square.

    Raises:
        ValueError: If none of them has this number of rows.
    """
    grids = [grid for grid in (stated, target) if grid is not None]
    for prefix in (0, 1):
        side = math.isqrt(max(rows - 3 * prefix, 0))
        if side % 2:
            grids.append(((side + 1) // 2, (side + 1) // 2))
    for grid in grids:
        for prefix in (0, 1):
            if rel_pos_table_rows(grid, prefix) == rows:
                return grid, prefix
    raise ValueError(
        f'{name} of the file has {rows} rows, which match no square window, with or without a '
        "class token: add pos_grid=(rows, columns) to init_cfg=dict(type='PretrainedViT', ...)"
    )
