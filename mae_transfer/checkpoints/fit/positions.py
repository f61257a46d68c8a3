"""Fits a file's absolute positions, class token and register tokens to the encoder."""

import math

import torch
from torch import Tensor

from mae_transfer.backbones.plain_vit import PlainViT
from mae_transfer.checkpoints.layouts.pos_grid import find_pos_grid
from mae_transfer.checkpoints.steps import Fitted, Resized, Step, Tensors
from mae_transfer.layers.pos_embed import resize_pos_embed

ADVICE = "add pos_grid=(rows, columns) to init_cfg=dict(type='PretrainedViT', ...)"


def fit_positions(
    tensors: Tensors, vit: PlainViT, pos_grid: tuple[int, int] | None = None
) -> Fitted:
    """Fit ``pos_embed`` to the encoder's grid and prefix; drop a class token that it lacks.

    Rows of register tokens and of DeiT's distillation token are added to those tokens, as in a
    forward pass; a distillation token becomes a register token.

    Args:
        tensors: The file's encoder under PlainViT's names.
        vit: The encoder; it is not changed.
        pos_grid: Rows and columns of the file's positions, if stated.

    Returns:
        The tensors and the steps.

    Raises:
        ValueError: If the file's grid is not stated and does not follow from its rows.
    """
    tensors, named = _name_distillation_token(tensors)
    tensors, fitted = _fit_table(tensors, vit, pos_grid)
    tensors, dropped = _drop_cls_token(tensors, vit)
    return tensors, [*named, *fitted, *dropped]


def _name_distillation_token(tensors: Tensors) -> Fitted:
    if 'dist_token' not in tensors or 'reg_token' in tensors:
        return tensors, []
    renamed = {n: tensor for n, tensor in tensors.items() if n != 'dist_token'}
    renamed['reg_token'] = tensors['dist_token']
    return renamed, [Step('dist_token as a register token', {'reg_token': ['dist_token']})]


def _drop_cls_token(tensors: Tensors, vit: PlainViT) -> Fitted:
    if vit.cls_token is not None or 'cls_token' not in tensors:
        return tensors, []
    kept = {n: tensor for n, tensor in tensors.items() if n != 'cls_token'}
    return kept, [Step(unused={'cls_token': ['cls_token']})]


def _fit_table(tensors: Tensors, vit: PlainViT, pos_grid: tuple[int, int] | None) -> Fitted:
    """Fit the table to the encoder's grid, then the rows that precede those of the patches."""
    table = tensors.get('pos_embed')
    if table is None or vit.pos_embed is None or table.ndim != 3 or len(table) != 1:
        return tensors, []  # the check of all tensors reports the problem
    fitted, steps = dict(tensors), []

    def replace(new: Tensor, words: str) -> None:
        resized = Resized(tuple(fitted['pos_embed'].shape), tuple(new.shape), words)
        steps.append(Step(words, resized={'pos_embed': resized}))
        fitted['pos_embed'] = new

    registers = _registers(tensors, table)
    num_registers = 0 if registers is None else registers.shape[1]
    grid = find_pos_grid(table.shape[1], num_registers, pos_grid, vit.pos_grid, ADVICE)
    num_prefix = table.shape[1] - math.prod(grid)
    if grid != vit.pos_grid:
        table = resize_pos_embed(table, vit.pos_grid, grid, num_prefix)
        old, new = (f'{h}x{w}' for h, w in (grid, vit.pos_grid))
        replace(table, f'pos_embed {old} -> {new} bicubic')
    cls_token = tensors.get('cls_token')
    if registers is not None and (
        num_prefix > 1 or (num_prefix == 1 == num_registers and cls_token is None)
    ):
        start = num_prefix - num_registers
        fitted['reg_token'] = registers + table[:, start:num_prefix]
        table = torch.cat([table[:, :start], table[:, num_prefix:]], dim=1)
        num_prefix = start
        replace(table, 'rows of the register tokens added to them')
    if num_prefix > vit.num_prefix_positions:
        if vit.cls_token is not None and cls_token is not None and cls_token.ndim == 3:
            fitted['cls_token'] = cls_token + table[:, :1]  # only their sum is ever used
            replace(table[:, 1:], 'class row of pos_embed added to cls_token')
        else:
            replace(table[:, 1:], 'pos_embed without its class row')
    elif num_prefix < vit.num_prefix_positions:
        table = torch.cat([torch.zeros_like(table[:, :1]), table], dim=1)
        replace(table, 'pos_embed with a class row of zeros')
    return fitted, steps


def _registers(tensors: Tensors, table: Tensor) -> Tensor | None:
    """Return the register tokens, if the table may contain their positions."""
    registers = tensors.get('reg_token')
    if registers is None or registers.ndim != 3 or registers.shape[2] != table.shape[2]:
        return None
    return registers
