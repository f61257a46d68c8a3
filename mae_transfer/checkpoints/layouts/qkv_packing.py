"""Converts query, key and value between one fused tensor and separate ones, with their biases.

Every function takes tensors under PlainViT's names and returns a new dict; each has an inverse.
Rows of a fused tensor are query, key, value, and contiguous per head within each.
"""

import re

import torch

from mae_transfer.checkpoints.steps import Tensors

SEPARATE = re.compile(r'(.*\.attn\.)([qkv])\.(weight|bias)')
FUSED = re.compile(r'(.*\.attn\.)qkv\.(weight|bias)')


def join_qkv(tensors: Tensors) -> Tensors:
    """Join ``attn.q``, ``attn.k`` and ``attn.v`` (Hugging Face) to ``attn.qkv``.

    An incomplete group stays unchanged, so that an error can name the missing part.
    """
    joined: Tensors = {}
    for name, tensor in tensors.items():
        found = SEPARATE.fullmatch(name)
        parts = [f'{found[1]}{part}.{found[3]}' for part in 'qkv'] if found else []
        if not found or not all(part in tensors for part in parts):
            joined[name] = tensor
        elif found[2] == 'q':
            joined[f'{found[1]}qkv.{found[3]}'] = torch.cat([tensors[part] for part in parts])
    return joined


def split_qkv(tensors: Tensors) -> Tensors:
    """Split ``attn.qkv`` to ``attn.q``, ``attn.k`` and ``attn.v``; inverse of :func:`join_qkv`."""
    split: Tensors = {}
    for name, tensor in tensors.items():
        found = FUSED.fullmatch(name)
        if found is None:
            split[name] = tensor
            continue
        for part, rows in zip('qkv', tensor.chunk(3), strict=True):
            split[f'{found[1]}{part}.{found[2]}'] = rows.clone()
    return split


def join_qv_bias(tensors: Tensors) -> Tensors:
    """Join ``attn.q_bias`` and ``attn.v_bias`` (BEiT, CAE) to ``attn.qkv.bias``, zero for keys."""
    joined: Tensors = {}
    for name, tensor in tensors.items():
        stem, _, part = name.rpartition('.')
        if part == 'q_bias' and f'{stem}.v_bias' in tensors:
            value = tensors[f'{stem}.v_bias']
            joined[f'{stem}.qkv.bias'] = torch.cat([tensor, torch.zeros_like(tensor), value])
        elif part != 'v_bias' or f'{stem}.q_bias' not in tensors:
            joined[name] = tensor
    return joined


def split_qv_bias(tensors: Tensors) -> Tensors:
    """Split ``attn.qkv.bias`` to ``attn.q_bias`` and ``attn.v_bias``, and drop the part of keys.

    This is exact: a key bias shifts all logits of a query equally, so softmax ignores it, with or
    without relative positions.
    """
    split: Tensors = {}
    for name, tensor in tensors.items():
        if name.endswith('.attn.qkv.bias'):
            stem = name.removesuffix('qkv.bias')
            query, _, value = tensor.chunk(3)
            split |= {f'{stem}q_bias': query.clone(), f'{stem}v_bias': value.clone()}
        else:
            split[name] = tensor
    return split
