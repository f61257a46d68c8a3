"""An encoder, by PlainViT's names, made to fit what another library's model can hold.

Each step computes the same function and is written down; whatever would need another one is an
error.
"""

import math
import re

import torch
from torch import Tensor

from mae_transfer.checkpoints.export.targets import Target
from mae_transfer.checkpoints.layouts.qkv_packing import join_qv_bias

Tensors = dict[str, Tensor]
Steps = list[str]

BLOCK_PARTS = tuple(
    f'{part}.{kind}'
    for part in ('norm1', 'attn.qkv', 'attn.proj', 'norm2', 'mlp.fc1', 'mlp.fc2')
    for kind in ('weight', 'bias')
)
DECODER_ENDS = tuple(
    f'{part}.{kind}'
    for part in ('decoder_embed', 'decoder_norm', 'decoder_pred')
    for kind in ('weight', 'bias')
)
GAMMA = re.compile(r'blocks\.\d+\.ls([12])\.gamma')
SCALED = {'1': 'attn.proj', '2': 'mlp.fc2'}  # what a layer scale's branch ends with


def fit_to_target(tensors: Tensors, facts: dict, target: Target) -> tuple[Tensors, Steps]:
    """Return the tensors that the target takes, and what was done to them.

    Args:
        tensors: The encoder by PlainViT's names.
        facts: What is known about it, by the names of
            :meth:`~mae_transfer.backbones.plain_vit.PlainViT.metadata`.
        target: Whose model is meant.

    Raises:
        ValueError: The target has no place for a part, or needs one that is not there.
    """
    steps: Steps = []
    if target.any_encoder:
        return dict(tensors), steps
    act = facts.get('act', 'gelu')
    if act != 'gelu':
        raise ValueError(f'its activation is {act!r}, that of {target.model} is the exact GELU')
    tensors = _fit_qkv_bias(tensors, target.bias_free, 'encoder', steps)
    if not target.layer_scale:
        tensors = fold_layer_scale(tensors, steps)
    _fit_tokens_and_positions(tensors, facts, target, steps)
    _fit_norms(tensors, target, steps)
    _check_sizes(facts, target)
    _check_names(tensors, _encoder_names(tensors, target), target)
    return tensors, steps


def fit_decoder_to_target(
    decoder: Tensors, encoder: Tensors, target: Target
) -> tuple[Tensors, Steps]:
    """Return MAE's decoder as the target takes it, and what was done to it.

    Args:
        decoder: The decoder by the names of MAE's code.
        encoder: The fitted encoder, by PlainViT's names.
        target: Whose model is meant.

    Raises:
        ValueError: The target has no place for a part, or needs one that is not there.
    """
    steps: Steps = []
    if target.any_encoder:
        return dict(decoder), steps
    decoder = _fit_qkv_bias(decoder, False, 'decoder', steps)
    wanted = {'mask_token', 'decoder_pos_embed', *DECODER_ENDS}
    wanted |= _block_names(decoder, 'decoder_blocks', set(BLOCK_PARTS))
    _check_names(decoder, wanted, target)
    rows, places = (t.shape[1] for t in (decoder['decoder_pos_embed'], encoder['pos_embed']))
    if rows != places:
        raise ValueError(f'its decoder has positions for {rows} tokens, its encoder for {places}')
    values, pixels = len(decoder['decoder_pred.weight']), encoder['patch_embed.proj.weight'][0]
    if values != pixels.numel():
        raise ValueError(
            f'its decoder predicts {values} values a patch, that of {target.model} its '
            f'{pixels.numel()} pixels; --no-decoder exports the encoder alone'
        )
    return decoder, steps


def check_finite(tensors: Tensors) -> None:
    """Refuse weights that no target should get.

    Raises:
        ValueError: Naming up to ten tensors with NaN, infinity or no floating-point numbers.
    """
    broken = [
        name
        for name, tensor in tensors.items()
        if not (tensor.is_floating_point() and torch.isfinite(tensor).all())
    ]
    if broken:
        raise ValueError(
            f'{len(broken)} tensors hold NaN, infinity or no floating-point numbers: '
            f'{", ".join(broken[:10])}'
        )


def fold_layer_scale(tensors: Tensors, steps: Steps) -> Tensors:
    """Multiply the scale of each branch into its last linear layer.

    The function stays the same up to rounding; what a trained scale does to further training is
    lost.
    """
    folded = {name: tensor for name, tensor in tensors.items() if not GAMMA.fullmatch(name)}
    count = 0
    for name, gamma in tensors.items():
        found = GAMMA.fullmatch(name)
        if found is None:
            continue
        count += 1
        stem = name.removesuffix(f'ls{found[1]}.gamma') + SCALED[found[1]]
        for part, scale in (('weight', gamma.double()[:, None]), ('bias', gamma.double())):
            old = tensors[f'{stem}.{part}']
            folded[f'{stem}.{part}'] = (old.double() * scale).to(old.dtype)
    if count:
        steps.append(
            f'layer scale: {count} folded into attn.proj and mlp.fc2, exact at inference up to '
            'rounding; further training differs'
        )
    return folded


def _fit_qkv_bias(tensors: Tensors, bias_free: bool, part: str, steps: Steps) -> Tensors:
    """One bias for query, key and value: joined, or of zeros where the target needs one."""
    joined = join_qv_bias(tensors)
    count = sum(name.endswith('.attn.q_bias') for name in tensors)
    if count:
        steps.append(
            f'bias of query and value: {count} of the {part} joined, with zeros for the key: exact'
        )
    if bias_free:
        return joined
    bare = [
        name
        for name in joined
        if name.endswith('.attn.qkv.weight') and f'{name.removesuffix("weight")}bias' not in joined
    ]
    for name in bare:
        joined[f'{name.removesuffix("weight")}bias'] = torch.zeros_like(joined[name][:, 0])
    if bare:
        steps.append(
            f'bias of query, key and value: {len(bare)} of zeros added in the {part}: exact'
        )
    return joined


def _fit_tokens_and_positions(tensors: Tensors, facts: dict, target: Target, steps: Steps) -> None:
    """Class and register tokens, and the rows of positions in front of those of the patches."""
    table = tensors.get('pos_embed')
    if table is None:
        raise ValueError(f'it has no absolute positions, which {target.model} needs')
    if 'dist_token' in tensors:
        tensors['reg_token'] = tensors.pop('dist_token')
        steps.append('distillation token: as a register token')
    registers = tensors['reg_token'].shape[1] if 'reg_token' in tensors else 0
    if registers and not target.registers:
        raise ValueError(f'it has {registers} register tokens, {target.model} has none')
    has_class = 'cls_token' in tensors
    if not has_class and target.class_token == 'needed':
        raise ValueError(f'it has no class token, which {target.model} needs')
    h, w = facts['pos_grid']
    rows = table.shape[1] - h * w
    if rows > 1:  # of register tokens, behind that of the class token
        tensors['reg_token'] = tensors['reg_token'] + table[:, rows - registers : rows]
        table = torch.cat([table[:, : rows - registers], table[:, rows:]], dim=1)
        rows -= registers
        steps.append('positions: those of the register tokens added to them: exact')
    if registers and rows:  # timm embeds no prefix token when there are registers
        tensors['cls_token'] = tensors['cls_token'] + table[:, :1]
        table = table[:, 1:]
        steps.append('positions: that of the class token added to it: exact')
    elif not rows and (has_class and not registers or target.class_token == 'dropped'):
        table = torch.cat([torch.zeros_like(table[:, :1]), table], dim=1)
        steps.append('positions: a row of zeros added for the class token: exact')
    elif rows and not has_class and target.class_token != 'dropped':
        table = table[:, 1:]
        steps.append('positions: the row of a class token dropped, there is none: exact')
    if has_class and target.class_token == 'dropped':
        del tensors['cls_token']
        steps.append(
            f'class token: dropped, {target.model} has none; what patches took from it is lost'
        )
    tensors['pos_embed'] = table


def _fit_norms(tensors: Tensors, target: Target, steps: Steps) -> None:
    """The final norm of the tokens, or that of their mean."""
    for group in ('norm', 'fc_norm'):
        names = [name for name in tensors if name.startswith(f'{group}.')]
        if names and group in target.norms:
            return
        if names and target.norms:
            raise ValueError(
                f'it norms the mean of the patches (fc_norm), {target.model} norms the tokens'
            )
        for name in names:
            del tensors[name]
        if names:
            steps.append(f'{group}: dropped, {target.model} ends with the last block')
    if target.norms:
        raise ValueError(
            f'it has no final norm, which {target.model} needs (an encoder of a detector or '
            'segmentor is trained without)'
        )


def _check_sizes(facts: dict, target: Target) -> None:
    if not target.squares:
        return
    for fact, words in (('pos_grid', 'grid of positions'), ('patch_size', 'patch')):
        h, w = facts[fact]
        if h != w:
            raise ValueError(f'its {words} is {h}x{w}, that of {target.model} is square')


def _block_names(tensors: Tensors, blocks: str, parts: set[str]) -> set[str]:
    """Names of all blocks, as many as there are."""
    pattern = re.compile(rf'{blocks}\.(\d+)\.')
    numbers = [int(found[1]) for name in tensors if (found := pattern.match(name))]
    return {f'{blocks}.{i}.{part}' for i in range(max(numbers, default=-1) + 1) for part in parts}


def _encoder_names(tensors: Tensors, target: Target) -> set[str]:
    """Names that the target's model has, given what the encoder has of its optional parts."""
    parts = set(BLOCK_PARTS)
    if target.bias_free and not any(name.endswith('attn.qkv.bias') for name in tensors):
        parts.discard('attn.qkv.bias')
    if target.layer_scale and any(GAMMA.fullmatch(name) for name in tensors):
        parts |= {'ls1.gamma', 'ls2.gamma'}
    if target.rel_pos and any(name.endswith('attn.rel_pos_h') for name in tensors):
        parts |= {'attn.rel_pos_h', 'attn.rel_pos_w'}
    names = {'pos_embed', 'patch_embed.proj.weight', 'patch_embed.proj.bias'}
    names |= {name for name in ('cls_token', 'reg_token') if name in tensors}
    for norm in target.norms:
        if f'{norm}.weight' in tensors:
            names |= {f'{norm}.weight', f'{norm}.bias'}
    return names | _block_names(tensors, 'blocks', parts)


def _check_names(tensors: Tensors, wanted: set[str], target: Target) -> None:
    """Raise unless these are exactly the tensors of the target's model."""
    problems = [
        f'{what} {", ".join(names[:10])}{", ..." if len(names) > 10 else ""}'
        for what, names in (
            ('it lacks', sorted(wanted - tensors.keys())),
            (f'{target.model} has no place for', sorted(tensors.keys() - wanted)),
        )
        if names
    ]
    if problems:
        raise ValueError('; '.join(problems))


def grid_of_positions(table: Tensor, prefixes: set[int], stated: object) -> tuple[int, int]:
    """Rows and columns of a table of positions.

    Args:
        table: (1, rows, C).
        prefixes: Numbers of rows that may stand in front of those of the patches.
        stated: What is known: rows and columns, or None.

    Raises:
        ValueError: The rows allow no grid, or several.
    """
    length = table.shape[1]
    if stated is not None:
        h, w = stated
        if length - h * w not in prefixes:
            raise ValueError(f'pos_grid={h},{w} does not fit the {length} rows of its positions')
        return h, w
    sides = {math.isqrt(length - prefix) for prefix in prefixes if length > prefix}
    squares = sorted(side for side in sides if length - side**2 in prefixes)
    if len(squares) != 1:
        raise ValueError(
            f'the {length} rows of its positions tell no grid: state it by --facts '
            'pos_grid=ROWS,COLUMNS'
        )
    return squares[0], squares[0]
