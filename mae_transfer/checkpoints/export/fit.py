"""Fits an encoder, under PlainViT's names, to what another library's model can represent.

Each step preserves the function that the encoder computes, and is returned; a step that would
change it is an error.
"""

import re

import torch

from mae_transfer.checkpoints.export.targets import Target
from mae_transfer.checkpoints.layouts.parts import ZERO_TABLES, find_parts, zero_tables
from mae_transfer.checkpoints.layouts.qkv_packing import join_qv_bias
from mae_transfer.checkpoints.steps import Fitted, Step, Tensors

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


def fit_to_target(tensors: Tensors, facts: dict, target: Target) -> Fitted:
    """Return the tensors that the target takes, and what was done to them.

    Args:
        tensors: The encoder under PlainViT's names.
        facts: What is known about it, under the names of
            :meth:`~mae_transfer.backbones.plain_vit.PlainViT.metadata`.
        target: The library and model to fit.

    Raises:
        ValueError: The target has no place for a part, or needs one that is missing.
    """
    tensors, idle = _drop_zero_tables(tensors)
    if target.any_encoder:
        return tensors, idle
    act = facts.get('act', 'gelu')
    if act != 'gelu':
        raise ValueError(f'its activation is {act!r}, that of {target.model} is the exact GELU')
    tensors, bias = _fit_qkv_bias(tensors, target.bias_free, 'encoder')
    tensors, scale = (tensors, []) if target.layer_scale else fold_layer_scale(tensors)
    tensors, registers = _fit_registers(tensors, target)
    tensors, positions = _fit_positions(tensors, facts['pos_grid'], target)
    tensors, norms = _fit_norms(tensors, target)
    _check_sizes(facts, target)
    _check_names(tensors, _encoder_names(tensors, target), target)
    return tensors, [*idle, *bias, *scale, *registers, *positions, *norms]


def _drop_zero_tables(tensors: Tensors) -> Fitted:
    """Drop tables of relative position that are all zero."""
    names = zero_tables(tensors)
    kept = {name: tensor for name, tensor in tensors.items() if name not in names}
    words = f'relative positions: {len(names)} tables of zeros dropped: exact'
    return kept, [Step(words, unused={ZERO_TABLES: names})] if names else []


def fit_decoder_to_target(decoder: Tensors, encoder: Tensors, target: Target) -> Fitted:
    """Return MAE's decoder as the target takes it, and what was done to it.

    Args:
        decoder: The decoder under the names of MAE's code.
        encoder: The fitted encoder, under PlainViT's names.
        target: The library and model to fit.

    Raises:
        ValueError: The target has no place for a part, or needs one that is missing.
    """
    if target.any_encoder:
        return dict(decoder), []
    decoder, steps = _fit_qkv_bias(decoder, False, 'decoder')
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
    """Refuse weights that must not be exported.

    Raises:
        ValueError: Names up to ten tensors that contain NaN, infinity or no floating-point numbers.
    """
    broken = [
        name
        for name, tensor in tensors.items()
        if not (tensor.is_floating_point() and torch.isfinite(tensor).all())
    ]
    if broken:
        raise ValueError(
            f'{len(broken)} tensors contain NaN, infinity or no floating-point numbers: '
            f'{", ".join(broken[:10])}'
        )


def fold_layer_scale(tensors: Tensors) -> Fitted:
    """Multiply the scale of each branch into its last linear layer.

    The function stays the same up to rounding; the effect of the scale on further training is lost.
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
    if not count:
        return folded, []
    return folded, [
        Step(
            f'layer scale: {count} folded into attn.proj and mlp.fc2, exact at inference up to '
            'rounding; further training differs'
        )
    ]


def _fit_qkv_bias(tensors: Tensors, bias_free: bool, part: str) -> Fitted:
    """One bias for query, key and value: joined, or zeros where the target needs one."""
    joined, steps = join_qv_bias(tensors), []
    count = sum(name.endswith('.attn.q_bias') for name in tensors)
    if count:
        words = f'{count} of the {part} joined, with zeros for the key: exact'
        steps.append(Step(f'bias of query and value: {words}'))
    stems = [name.removesuffix('weight') for name in joined if name.endswith('.attn.qkv.weight')]
    bare = [] if bias_free else [stem for stem in stems if f'{stem}bias' not in joined]
    for stem in bare:
        joined[f'{stem}bias'] = torch.zeros_like(joined[f'{stem}weight'][:, 0])
    if bare:
        words = f'{len(bare)} zero biases added in the {part}: exact'
        steps.append(Step(f'bias of query, key and value: {words}'))
    return joined, steps


def _fit_registers(tensors: Tensors, target: Target) -> Fitted:
    """Refuse what the target needs or lacks; a distillation token is one register token."""
    parts, steps = find_parts(tensors), []
    if parts.pos_embed is None:
        raise ValueError(f'it has no absolute positions, which {target.model} needs')
    if 'dist_token' in tensors:
        tensors = tensors | {'reg_token': tensors['dist_token']}
        del tensors['dist_token']
        words = 'distillation token: as a register token'
        steps.append(Step(words, {'reg_token': ['dist_token']}))
    if parts.num_register_tokens and not target.registers:
        raise ValueError(
            f'it has {parts.num_register_tokens} register tokens, {target.model} has none'
        )
    if not parts.with_cls_token and target.class_token == 'needed':
        raise ValueError(f'it has no class token, which {target.model} needs')
    return tensors, steps


def _fit_positions(tensors: Tensors, pos_grid: tuple[int, int], target: Target) -> Fitted:
    """Fit the class token and the rows of positions that precede those of the patches."""
    tensors, table, parts, words = dict(tensors), tensors['pos_embed'], find_parts(tensors), []
    has_class, registers = parts.with_cls_token, parts.num_register_tokens
    rows = table.shape[1] - pos_grid[0] * pos_grid[1]
    if rows > 1:  # of register tokens, after that of the class token
        tensors['reg_token'] = tensors['reg_token'] + table[:, rows - registers : rows]
        table = torch.cat([table[:, : rows - registers], table[:, rows:]], dim=1)
        rows -= registers
        words.append('positions: those of the register tokens added to them: exact')
    if registers and rows:  # timm embeds no prefix token when there are registers
        tensors['cls_token'] = tensors['cls_token'] + table[:, :1]
        table = table[:, 1:]
        words.append('positions: that of the class token added to it: exact')
    elif not rows and (has_class and not registers or target.class_token == 'dropped'):
        table = torch.cat([torch.zeros_like(table[:, :1]), table], dim=1)
        words.append('positions: a row of zeros added for the class token: exact')
    elif rows and not has_class and target.class_token != 'dropped':
        table = table[:, 1:]
        words.append('positions: the row of a class token dropped, there is none: exact')
    if has_class and target.class_token == 'dropped':
        del tensors['cls_token']
        words.append(
            f'class token: dropped, {target.model} has none; what patches took from it is lost'
        )
    return tensors | {'pos_embed': table}, [Step(done) for done in words]


def _fit_norms(tensors: Tensors, target: Target) -> Fitted:
    """Fit the final norm of the tokens, or that of their mean."""
    steps: list[Step] = []
    for group in ('norm', 'fc_norm'):
        names = [name for name in tensors if name.startswith(f'{group}.')]
        if names and group in target.norms:
            return tensors, steps
        if names and target.norms:
            raise ValueError(
                f'it norms the mean of the patches (fc_norm), {target.model} norms the tokens'
            )
        if names:
            tensors = {name: t for name, t in tensors.items() if name not in names}
            words = f'{group}: dropped, {target.model} ends with the last block'
            steps.append(Step(words, unused={group: names}))
    if target.norms:
        raise ValueError(
            f'it has no final norm, which {target.model} needs (encoders of detectors and '
            'segmentors are trained without one)'
        )
    return tensors, steps


def _check_sizes(facts: dict, target: Target) -> None:
    if not target.squares:
        return
    for fact, words in (('pos_grid', 'grid of positions'), ('patch_size', 'patch')):
        h, w = facts[fact]
        if h != w:
            raise ValueError(f'its {words} is {h}x{w}, that of {target.model} is square')


def _block_names(tensors: Tensors, blocks: str, parts: set[str]) -> set[str]:
    """Names of these parts in all blocks."""
    pattern = re.compile(rf'{blocks}\.(\d+)\.')
    numbers = [int(found[1]) for name in tensors if (found := pattern.match(name))]
    return {f'{blocks}.{i}.{part}' for i in range(max(numbers, default=-1) + 1) for part in parts}


def _encoder_names(tensors: Tensors, target: Target) -> set[str]:
    """Names in the target's model, given which optional parts the encoder has."""
    own, parts = find_parts(tensors), set(BLOCK_PARTS)
    if target.bias_free and own.qkv_bias is False:
        parts.discard('attn.qkv.bias')
    if target.layer_scale and own.layer_scale:
        parts |= {'ls1.gamma', 'ls2.gamma'}
    if target.rel_pos and own.rel_pos == 'decomposed':
        parts |= {'attn.rel_pos_h', 'attn.rel_pos_w'}
    names = {'pos_embed', 'patch_embed.proj.weight', 'patch_embed.proj.bias'}
    names |= {name for name in ('cls_token', 'reg_token') if name in tensors}
    for norm, there in (('norm', own.norm), ('fc_norm', own.fc_norm)):
        if there and norm in target.norms:
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
