"""Determines the optional parts of an encoder from the names and shapes of its tensors."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

TABLE = 'relative_position_bias_table'
# Suffix of a name -> value of PlainViT's `rel_pos`; more specific suffixes come first.
REL_POS = (
    ('.attn.rel_pos_h', 'decomposed'),
    (f'rel_pos_bias.{TABLE}', 'shared_table'),
    (f'rel_pos_bias_window.{TABLE}', 'shared_table'),
    (f'.attn.{TABLE}', 'table'),
)
ZERO_TABLES = 'rel_pos of zero'  # group of the tables that `zero_tables` selects


@dataclass(frozen=True)
class Parts:
    """Optional parts of an encoder, with the values of PlainViT's arguments where they exist.

    Attributes:
        with_cls_token: Whether it has a class token.
        num_register_tokens: Register tokens; DeiT's distillation token counts as one.
        pos_embed: Shape of the absolute positions; None if there are none.
        qkv_bias: True, False, or 'no-key' for biases of query and value only.
        layer_scale: Whether its blocks scale their branches.
        norm: Whether it has a final norm of the tokens.
        fc_norm: Whether it has a norm of their mean.
        rel_pos: Kind of relative positions: False, 'decomposed', 'table' or 'shared_table'.
    """

    with_cls_token: bool
    num_register_tokens: int
    pos_embed: tuple[int, ...] | None
    qkv_bias: bool | str
    layer_scale: bool
    norm: bool
    fc_norm: bool
    rel_pos: bool | str


def find_parts(tensors: Mapping[str, Tensor]) -> Parts:
    """Determine the optional parts of an encoder from its tensors under PlainViT's names."""

    def any_ends(end: str) -> bool:
        return any(name.endswith(end) for name in tensors)

    bias: bool | str = any_ends('.attn.qkv.bias')
    if not bias and any_ends('.attn.q_bias'):
        bias = 'no-key'
    registers = tensors.get('reg_token')
    num_registers = registers.shape[1] if registers is not None and registers.ndim == 3 else 0
    table = tensors.get('pos_embed')
    return Parts(
        with_cls_token='cls_token' in tensors,
        num_register_tokens=num_registers + ('dist_token' in tensors),
        pos_embed=None if table is None else tuple(table.shape),
        qkv_bias=bias,
        layer_scale=any_ends('.ls1.gamma'),
        norm='norm.weight' in tensors,
        fc_norm='fc_norm.weight' in tensors,
        rel_pos=next((kind for end, kind in REL_POS if any_ends(end)), False),
    )


def rel_pos_names(names: Iterable[str]) -> list[str]:
    """Select the names of tensors that hold relative positions of any kind."""
    pattern = re.compile(rf'(?:.*\.)?(?:rel_pos_[hw]|{TABLE})')
    return [name for name in names if pattern.fullmatch(name)]


def zero_tables(tensors: Mapping[str, Tensor]) -> list[str]:
    """Select the tables of relative position that are all zero, which changes nothing.

    CAE's attentive probe builds its frozen encoder with new tables, and saves them.
    """
    return [
        name for name, tensor in tensors.items() if name.endswith(TABLE) and not torch.any(tensor)
    ]
