"""Fits a file's encoder tensors to the model, or explains why they do not fit.

It adapts patches, channels (by a named rule), grids of positions, windows and the packing of
biases, and returns each step. Any other difference is an error.
"""

import fnmatch
import math
import re
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from mae_transfer.backbones.plain_vit import PlainViT
from mae_transfer.checkpoints.fit.account import LEFT_OVER
from mae_transfer.checkpoints.fit.patch_embed import NAME as PATCH_EMBED
from mae_transfer.checkpoints.fit.patch_embed import fit_patch_embed
from mae_transfer.checkpoints.fit.positions import fit_positions
from mae_transfer.checkpoints.fit.rel_pos import fit_rel_pos
from mae_transfer.checkpoints.layouts.facts import Facts
from mae_transfer.checkpoints.layouts.parts import TABLE, find_parts
from mae_transfer.checkpoints.layouts.qkv_packing import join_qv_bias, split_qv_bias
from mae_transfer.checkpoints.steps import Fitted, Step, Tensors
from mae_transfer.first_few import first_few

FC_NORMS = ('fresh', 'norm')
NOT_FINITE = 'with NaN, infinity or no floating-point numbers'

# Pattern of names, advice if such tensors are missing in the file, advice if they are left over
HINTS = (
    (
        r'norm\.',
        'The file has no final norm: build the encoder with final_norm=False, or with '
        "out_type='avg', whose fc_norm may start fresh.",
        '',
    ),
    (r'cls_token', 'The file has no class token: build the encoder with with_cls_token=False.', ''),
    (
        r'reg_token',
        'The file has no register tokens: build the encoder with num_register_tokens=0.',
        'The file has register tokens (a distillation token counts as one): build the encoder with '
        'their number as num_register_tokens.',
    ),
    (
        r'pos_embed',
        'The file has no absolute positions: build the encoder with pos_embed=None.',
        'The file has absolute positions: do not build the encoder with pos_embed=None.',
    ),
    (
        r'.*\.ls[12]\.gamma',
        'The file has no layer scale, and any initial value other than 1 would change what its '
        'blocks compute: build the encoder with layer_scale_init=1.0 or None.',
        'The file has layer scale: build the encoder with layer_scale_init=1.0.',
    ),
    (
        r'.*\.rel_pos_[hw]',
        'The file has relative positions in some blocks only.',
        'The file has relative positions: build the encoder with rel_pos=True.',
    ),
    (
        rf'rel_pos_bias.*{TABLE}',
        'The file has no table of relative positions that blocks share.',
        "The file has a shared table of relative positions: build the encoder with rel_pos='table' "
        "or 'shared_table'.",
    ),
    (
        rf'.*{TABLE}',
        'The file has tables of relative position in some blocks only.',
        "The file has tables of relative position: build the encoder with rel_pos='table'.",
    ),
    (
        r'.*\.attn\.(qkv\.bias|[qv]_bias)',
        'The file has no bias of query, key and value: build the encoder with qkv_bias=False.',
        'The file has a bias of query, key and value: build the encoder with qkv_bias=True.',
    ),
)


def fit_encoder(
    tensors: Tensors,
    vit: PlainViT,
    facts: Facts,
    fc_norm: str = 'fresh',
    in_channels_rule: str | None = None,
    allow_partial: Sequence[str] = (),
) -> Fitted:
    """Return the tensors for the encoder, in the shapes that it needs, and the steps.

    Args:
        tensors: The file's encoder under PlainViT's names.
        vit: The encoder to load into; it is not changed.
        facts: Facts about the file's encoder; see
            :func:`~mae_transfer.checkpoints.layouts.facts.gather_facts`.
        fc_norm: Source of ``fc_norm`` if the file has none: 'fresh' keeps the encoder's initial
            values, 'norm' takes the file's final norm.
        in_channels_rule: How to adapt the weights to other input channels; see
            :func:`~mae_transfer.checkpoints.fit.patch_embed.adapt_channels`.
        allow_partial: Patterns (wildcards ``*`` and ``?``) of tensors that may be missing, left
            over or of another shape; a step lists those that they let pass.

    Raises:
        ValueError: If a tensor of either side has no match, another shape, or is not finite; if
            ``fc_norm`` is unknown, or is 'norm' while the encoder or the file lacks that norm; if
            channels differ and no rule is given.
    """
    if fc_norm not in FC_NORMS:
        raise ValueError(f'fc_norm={fc_norm!r}: must be one of {FC_NORMS}')
    wanted = vit.state_dict()
    pos_grid, table_grid = _grids(facts)
    patch_embed = tuple(wanted[PATCH_EMBED].shape)
    tensors, patches = fit_patch_embed(tensors, patch_embed, in_channels_rule)
    tensors, positions = fit_positions(tensors, vit, pos_grid)
    tensors, biases = _fit_qkv_bias(tensors, wanted)
    tensors, rel_pos = fit_rel_pos(tensors, vit, table_grid)
    tensors, norms = _fit_norms(tensors, vit, fc_norm)
    steps = [*patches, *positions, *biases, *rel_pos, *norms, *_fit_layer_scale(tensors, wanted)]
    tensors, matched = _match(tensors, wanted, _fresh_by(steps), allow_partial)
    return tensors, [*steps, *matched]


def _grids(facts: Facts) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
    """Return the stated grids of the absolute positions and of tables over the whole map."""
    pos_grid = facts['pos_grid'][0] if 'pos_grid' in facts else None
    if 'img_size' in facts and 'patch_size' in facts:
        (height, width), (p, q) = facts['img_size'][0], facts['patch_size'][0]
        return pos_grid, (math.ceil(height / p), math.ceil(width / q))
    return pos_grid, pos_grid


def _fit_qkv_bias(tensors: Tensors, wanted: Tensors) -> Fitted:
    """Split or join the bias of query, key and value to match the encoder."""
    split = [name for name in tensors if name.endswith('.attn.q_bias')]
    fused = [name for name in tensors if name.endswith('.attn.qkv.bias')]
    bias = find_parts(wanted).qkv_bias
    if fused and bias == 'no-key':
        kept = ('q_bias', 'v_bias')
        made_of = {name.replace('qkv.bias', part): [name] for name in fused for part in kept}
        words = f'qkv.bias {len(fused)} split, key part dropped'
        return split_qv_bias(tensors), [Step(words, made_of)]
    if split and bias is True:
        made_of = {
            name.replace('q_bias', 'qkv.bias'): [name, name.replace('q_bias', 'v_bias')]
            for name in split
        }
        words = f'qkv.bias {len(split)} joined, key part zero'
        return join_qv_bias(tensors), [Step(words, made_of)]
    return tensors, []


def _fit_norms(tensors: Tensors, vit: PlainViT, fc_norm: str) -> Fitted:
    """Fill ``fc_norm`` unless it starts fresh; remove norms that the encoder lacks.

    MAE's fine-tuning starts it at one and zero, CAE's from the final norm; a file's own
    ``fc_norm`` takes precedence.
    """
    steps = []
    if fc_norm == 'norm':
        _check_fc_norm(tensors, vit)
    if fc_norm == 'norm' and 'fc_norm.weight' not in tensors:
        names = {f'norm.{part}': f'fc_norm.{part}' for part in ('weight', 'bias')}
        tensors = {names.get(name, name): tensor for name, tensor in tensors.items()}
        steps.append(Step('fc_norm from norm', {new: [old] for old, new in names.items()}))
    elif vit.fc_norm is not None:
        missing = [n for n in ('fc_norm.weight', 'fc_norm.bias') if n not in tensors]
        steps += [Step(fresh={'fc_norm': missing})] if missing else []
    for group, part in (('norm', vit.norm), ('fc_norm', vit.fc_norm)):
        names_of = [name for name in tensors if name.startswith(f'{group}.')]
        if part is None and names_of:
            tensors = {name: tensor for name, tensor in tensors.items() if name not in names_of}
            steps.append(Step(unused={group: names_of}))
    return tensors, steps


def _check_fc_norm(tensors: Tensors, vit: PlainViT) -> None:
    if vit.fc_norm is None:
        raise ValueError(
            "fc_norm='norm', but the encoder has no fc_norm: only out_type='avg' builds one; leave "
            'the option out'
        )
    if 'fc_norm.weight' not in tensors and not {'norm.weight', 'norm.bias'} <= tensors.keys():
        raise ValueError("fc_norm='norm', but the file has no final norm: use fc_norm='fresh'")


def _fit_layer_scale(tensors: Tensors, wanted: Tensors) -> list[Step]:
    """Keep layer scales of one if the file has none: they change nothing."""
    gammas = [name for name in wanted if name.endswith('.gamma')]
    if not gammas or any(name.endswith('.gamma') for name in tensors):
        return []
    ones = all(bool(torch.all(wanted[name] == 1)) for name in gammas)
    return [Step(fresh={'layer scale of 1': gammas})] if ones else []


def _fresh_by(steps: Iterable[Step]) -> set[str]:
    """Collect what the steps leave fresh by design."""
    return {name for step in steps for names in step.fresh.values() for name in names}


def _match(
    tensors: Tensors, wanted: Tensors, fresh: set[str], allow_partial: Sequence[str]
) -> Fitted:
    """Raise unless the tensors and those fresh by design are exactly the encoder's.

    Tensors that ``allow_partial`` covers are removed instead.
    """
    missing = [name for name in wanted if name not in tensors and name not in fresh]
    left_over = [name for name in tensors if name not in wanted]
    misshapen = {
        name: f'{name} {tuple(tensor.shape)} instead of {tuple(wanted[name].shape)}'
        for name, tensor in tensors.items()
        if name in wanted and tensor.shape != wanted[name].shape
    }
    let_pass = {
        'missing in the file': _named_by(allow_partial, missing),
        LEFT_OVER: _named_by(allow_partial, left_over),
        'of another shape': _named_by(allow_partial, misshapen),
    }
    passed = {name: None for names in let_pass.values() for name in names}
    kept = {name: tensor for name, tensor in tensors.items() if name not in passed}
    missing, left_over = ([n for n in names if n not in passed] for names in (missing, left_over))
    shapes = [told for name, told in misshapen.items() if name not in passed]
    broken = [name for name, tensor in kept.items() if not _is_finite(tensor)]
    problems = [
        _first_ten('Encoder tensors that the file lacks', missing),
        _first_ten(f'File tensors {LEFT_OVER}', left_over),
        _first_ten('File tensors of another shape', shapes),
        _first_ten(f'File tensors {NOT_FINITE}', broken),
    ]
    if any(problems):
        hints = _hints(missing, 0) + _hints(left_over, 1)
        raise ValueError(' '.join([problem for problem in problems if problem] + hints))
    if not set(wanted) & kept.keys():
        raise ValueError(f'allow_partial={list(allow_partial)} leaves nothing to load')
    idle = [pattern for pattern in allow_partial if not fnmatch.filter(passed, pattern)]
    words = f'allow_partial matched nothing for {", ".join(idle)}' if idle else ''
    let_pass = {reason: names for reason, names in let_pass.items() if names}
    return kept, [Step(words, let_pass=let_pass)]


def _named_by(patterns: Sequence[str], names: Iterable[str]) -> list[str]:
    return [name for name in names if any(fnmatch.fnmatchcase(name, p) for p in patterns)]


def _is_finite(tensor: Tensor) -> bool:
    return tensor.is_floating_point() and bool(torch.isfinite(tensor).all())


def _first_ten(problem: str, names: list[str]) -> str:
    if not names:
        return ''
    shown = [name if name.isprintable() else repr(name) for name in names]
    return f'{problem} ({len(names)}): {first_few(shown, 10)}.'


def _hints(names: list[str], side: int) -> list[str]:
    """Collect advice on missing (side 0) or left-over (side 1) tensors, if it covers them all."""
    pieces: dict[str, None] = {}
    for name in names:
        piece = next((hint[1 + side] for hint in HINTS if re.match(hint[0], name)), '')
        if not piece:
            return []
        pieces[piece] = None
    return list(pieces)
