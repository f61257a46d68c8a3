"""Absolute positions of a file on the encoder's grid, and the rows in front of the patches."""

import math

import torch
from torch import Tensor

from mae_transfer.backbones.plain_vit import PlainViT
from mae_transfer.checkpoints.fit.account import LoadAccount
from mae_transfer.layers.pos_embed import resize_pos_embed

Tensors = dict[str, Tensor]
ADVICE = "add pos_grid=(rows, columns) to init_cfg=dict(type='PretrainedViT', ...)"


def fit_positions(
    vit: PlainViT, tensors: Tensors, account: LoadAccount, pos_grid: tuple[int, int] | None
) -> None:
    """Bring ``pos_embed`` to the encoder's grid and prefix; drop a class token it does not have.

    Rows of register tokens and of DeiT's distillation token are added to those tokens, which is
    what a forward pass does; a distillation token is one register token.

    Args:
        vit: The encoder; it is not changed.
        tensors: The file's encoder by PlainViT's names, changed in place.
        account: Takes down what was done.
        pos_grid: Rows and columns of the file's positions, where they are stated.

    Raises:
        ValueError: If the file's grid can be told neither from its rows nor from a statement.
    """
    if 'dist_token' in tensors and 'reg_token' not in tensors:
        tensors['reg_token'] = tensors.pop('dist_token')
        account.origins['reg_token'] = account.origins.pop('dist_token', ['dist_token'])
        account.changes.append('dist_token as a register token')
    table = tensors.get('pos_embed')
    if table is not None and vit.pos_embed is not None and table.ndim == 3 and len(table) == 1:
        tensors['pos_embed'] = _fit_table(vit, tensors, account, table, pos_grid)
    if vit.cls_token is None and 'cls_token' in tensors:
        account.unused['cls_token'] = account.origins.get('cls_token', ['cls_token'])
        del tensors['cls_token']


def _fit_table(
    vit: PlainViT,
    tensors: Tensors,
    account: LoadAccount,
    table: Tensor,
    pos_grid: tuple[int, int] | None,
) -> Tensor:
    shape = table.shape
    registers = tensors.get('reg_token')
    if registers is not None and (registers.ndim != 3 or registers.shape[2] != table.shape[2]):
        registers = None
    num_registers = 0 if registers is None else registers.shape[1]
    prefixes = {0, 1, num_registers, num_registers + 1}
    grid = find_grid(table.shape[1], vit.pos_grid, pos_grid, prefixes)
    num_prefix = table.shape[1] - math.prod(grid)
    how = []
    if grid != vit.pos_grid:
        table = resize_pos_embed(table, vit.pos_grid, grid, num_prefix)
        old, new = (f'{h}x{w}' for h, w in (grid, vit.pos_grid))
        how.append(f'pos_embed {old} -> {new} bicubic')
    if num_prefix > 1 or (num_prefix == 1 == num_registers and 'cls_token' not in tensors):
        tensors['reg_token'] = registers + table[:, num_prefix - num_registers : num_prefix]
        table = torch.cat([table[:, : num_prefix - num_registers], table[:, num_prefix:]], dim=1)
        num_prefix -= num_registers
        how.append('rows of the register tokens added to them')
    if num_prefix > vit.num_prefix_positions:
        cls_token = tensors.get('cls_token')
        if vit.cls_token is not None and cls_token is not None and cls_token.ndim == 3:
            tensors['cls_token'] = cls_token + table[:, :1]  # only their sum is ever used
            how.append('class row of pos_embed added to cls_token')
        else:
            how.append('pos_embed without its class row')
        table = table[:, 1:]
    elif num_prefix < vit.num_prefix_positions:
        table = torch.cat([torch.zeros_like(table[:, :1]), table], dim=1)
        how.append('pos_embed with a class row of zeros')
    account.changes += how
    if table.shape != shape:
        account.resize('pos_embed', shape, table.shape, '; '.join(how))
    return table


def find_grid(
    length: int,
    model_grid: tuple[int, int],
    stated: tuple[int, int] | None = None,
    prefixes: set[int] | frozenset[int] = frozenset({0, 1}),
) -> tuple[int, int]:
    """Find the rows and columns of a table of positions.

    A stated grid counts; else it is a square, as all published files have; else the encoder's own
    grid if the count agrees.

    Args:
        length: Rows of the table.
        model_grid: The encoder's grid.
        stated: What the file or the config states.
        prefixes: Numbers of rows that may stand in front of those of the patches.

    Raises:
        ValueError: If the stated grid has another number of places, or the rows allow several
            grids or none.
    """
    if stated is not None:
        h, w = stated
        if length - h * w not in prefixes:
            raise ValueError(
                f'pos_grid={h}x{w} has {h * w} places, but pos_embed of the file has {length} rows'
            )
        return h, w
    sides = {math.isqrt(length - p) for p in prefixes if length > p}
    squares = {(side, side) for side in sides if length - side**2 in prefixes}
    model_fits = length - math.prod(model_grid) in prefixes
    if not squares:
        if model_fits:
            return model_grid
        raise ValueError(
            f'pos_embed of the file has {length} rows, which is no square grid with or without a '
            f'class token, and the file does not state its grid: {ADVICE}'
        )
    readings = squares | ({model_grid} if model_fits else set())
    if len(readings) > 1:
        read = ' or '.join(f'{h}x{w}' for h, w in sorted(squares))
        own = f" or the encoder's {model_grid[0]}x{model_grid[1]}" if model_fits else ''
        raise ValueError(
            f'pos_embed of the file has {length} rows, which may be {read}{own}: {ADVICE}'
        )
    return squares.pop()
