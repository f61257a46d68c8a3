"""Third step of a transfer: make a file's encoder tensors fit the model, or say why they cannot.

Sizes that a method adapts are adapted: patches, channels by a named rule, grids of positions,
windows, the packing of biases. Whatever else differs is an error, and each step is written down.
"""

import fnmatch
import math
import re
from collections.abc import Sequence

import torch
from torch import Tensor

from mae_transfer.backbones.plain_vit import PlainViT
from mae_transfer.checkpoints.fit.account import LEFT_OVER, LoadAccount
from mae_transfer.checkpoints.fit.patch_embed import NAME as PATCH_EMBED
from mae_transfer.checkpoints.fit.patch_embed import fit_patch_embed
from mae_transfer.checkpoints.fit.positions import fit_positions
from mae_transfer.checkpoints.fit.rel_pos import TABLE, fit_rel_pos, has_rel_pos
from mae_transfer.checkpoints.layouts.facts import Facts, check_facts
from mae_transfer.checkpoints.layouts.qkv_packing import join_qv_bias, split_qv_bias

Tensors = dict[str, Tensor]

FC_NORMS = ('fresh', 'norm')
NOT_FINITE = 'with NaN, infinity or no floating-point numbers'

# What helps when tensors of this name are missing in the file, and when they are left over
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
        'The file has no layer scale, and another start than 1 would change what its blocks '
        'compute: build the encoder with layer_scale_init=1.0 or None.',
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
    vit: PlainViT,
    tensors: Tensors,
    account: LoadAccount,
    facts: Facts | None = None,
    fc_norm: str = 'fresh',
    in_channels_rule: str | None = None,
    allow_partial: Sequence[str] = (),
) -> Tensors:
    """Return the tensors that go into the encoder, each of the shape it has there.

    Args:
        vit: The encoder that is to be loaded; it is not changed.
        tensors: The file's encoder by PlainViT's names.
        account: Takes down what was adapted, left fresh or left unused.
        facts: What is known about the file's encoder; see
            :func:`~mae_transfer.checkpoints.layouts.facts.gather_facts`.
        fc_norm: Where ``fc_norm`` comes from if the file has none: 'fresh' keeps the encoder's
            start, 'norm' takes the file's final norm.
        in_channels_rule: How the weights of other input channels are made; see
            :func:`~mae_transfer.checkpoints.fit.patch_embed.adapt_channels`.
        allow_partial: Patterns (as of file names, ``*`` and ``?``) of tensors that may be missing,
            left over or of another shape; what they let pass is written down.

    Raises:
        ValueError: If a tensor of either side has no match, another shape, or is not finite; if
            facts of file and encoder differ; if ``fc_norm`` is unknown, or 'norm' without such a
            norm in the encoder or the file; if channels differ and no rule is given.
    """
    if fc_norm not in FC_NORMS:
        raise ValueError(f'fc_norm={fc_norm!r}: must be one of {FC_NORMS}')
    facts = {} if facts is None else facts
    check_facts(vit, facts)
    account.facts = facts
    tensors = dict(tensors)
    wanted = vit.state_dict()
    pos_grid, table_grid = _grids(facts)
    fit_patch_embed(tensors, tuple(wanted[PATCH_EMBED].shape), account, in_channels_rule)
    fit_positions(vit, tensors, account, pos_grid)
    tensors = _fit_qkv_bias(tensors, wanted, account)
    fit_rel_pos(vit, tensors, account, table_grid)
    if fc_norm == 'norm':
        _fill_fc_norm(vit, tensors, account)
    _set_aside(vit, tensors, wanted, account)
    _check_matched(tensors, wanted, account, allow_partial)
    account.loaded = [name for name in wanted if name in tensors]
    return tensors


def _grids(facts: Facts) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
    """Stated grids of the absolute positions and of tables over the whole map."""
    pos_grid = facts['pos_grid'][0] if 'pos_grid' in facts else None
    if 'img_size' in facts and 'patch_size' in facts:
        sides = zip(facts['img_size'][0], facts['patch_size'][0], strict=True)
        return pos_grid, tuple(math.ceil(side / patch) for side, patch in sides)
    return pos_grid, pos_grid


def _fit_qkv_bias(tensors: Tensors, wanted: Tensors, account: LoadAccount) -> Tensors:
    """Split or join the bias of query, key and value as the encoder has it."""
    split = [name for name in tensors if name.endswith('.attn.q_bias')]
    fused = [name for name in tensors if name.endswith('.attn.qkv.bias')]
    if fused and any(name.endswith('.attn.q_bias') for name in wanted):
        for name in fused:
            for part in ('q_bias', 'v_bias'):
                _inherit(account, name.replace('qkv.bias', part), [name])
        account.changes.append(f'qkv.bias {len(fused)} split, key part dropped')
        return split_qv_bias(tensors)
    if split and any(name.endswith('.attn.qkv.bias') for name in wanted):
        for name in split:
            both = [name, name.replace('q_bias', 'v_bias')]
            _inherit(account, name.replace('q_bias', 'qkv.bias'), both)
        account.changes.append(f'qkv.bias {len(split)} joined, key part zero')
        return join_qv_bias(tensors)
    return tensors


def _inherit(account: LoadAccount, name: str, sources: list[str]) -> None:
    account.origins[name] = [
        origin for source in sources for origin in account.origins.get(source, [source])
    ]


def _fill_fc_norm(vit: PlainViT, tensors: Tensors, account: LoadAccount) -> None:
    """Start ``fc_norm`` from the final norm, as CAE's fine-tuning does; a file's own one counts."""
    if vit.fc_norm is None:
        raise ValueError(
            "fc_norm='norm', but the encoder has no fc_norm: only out_type='avg' builds one; leave "
            'the option out'
        )
    if 'fc_norm.weight' in tensors:
        return
    if not {'norm.weight', 'norm.bias'} <= tensors.keys():
        raise ValueError("fc_norm='norm', but the file has no final norm: use fc_norm='fresh'")
    for part in ('weight', 'bias'):
        tensors[f'fc_norm.{part}'] = tensors.pop(f'norm.{part}')
        _inherit(account, f'fc_norm.{part}', [f'norm.{part}'])
    account.changes.append('fc_norm from norm')


def _set_aside(vit: PlainViT, tensors: Tensors, wanted: Tensors, account: LoadAccount) -> None:
    """Note what may stay fresh in the encoder and unused in the file; remove the latter."""
    missing = [name for name in wanted if name not in tensors]
    if not any(has_rel_pos(name) for name in tensors):
        _note(account.fresh, 'rel_pos', [name for name in missing if has_rel_pos(name)])
    # MAE's fine-tuning starts fc_norm at one and zero, not from the final norm
    _note(account.fresh, 'fc_norm', [name for name in missing if name.startswith('fc_norm.')])
    gammas = [name for name in missing if name.endswith('.gamma')]
    if not any(name.endswith('.gamma') for name in tensors) and all(
        torch.all(wanted[name] == 1) for name in gammas
    ):
        _note(account.fresh, 'layer scale of 1', gammas)
    for group, part in (('norm', vit.norm), ('fc_norm', vit.fc_norm)):
        if part is None:
            names = [name for name in tensors if name.startswith(f'{group}.')]
            _note(account.unused, group, [account.origins.get(name, [name])[0] for name in names])
            for name in names:
                del tensors[name]


def _note(groups: dict[str, list[str]], group: str, names: list[str]) -> None:
    if names:
        groups[group] = groups.get(group, []) + names


def _check_matched(
    tensors: Tensors, wanted: Tensors, account: LoadAccount, allow_partial: Sequence[str]
) -> None:
    """Raise unless the tensors, with what is fresh by design, are exactly the encoder.

    What ``allow_partial`` names is noted and taken out of the tensors instead.
    """
    fresh = {name for names in account.fresh.values() for name in names}
    missing = [name for name in wanted if name not in tensors and name not in fresh]
    left_over = [name for name in tensors if name not in wanted]
    misshapen = {
        name: f'{name} {tuple(tensor.shape)} instead of {tuple(wanted[name].shape)}'
        for name, tensor in tensors.items()
        if name in wanted and tensor.shape != wanted[name].shape
    }
    missing = _let_pass(account, 'missing in the file', missing, allow_partial)
    left_over = _let_pass(account, LEFT_OVER, left_over, allow_partial)
    shapes = _let_pass(account, 'of another shape', list(misshapen), allow_partial)
    passed = [name for names in account.let_pass.values() for name in names]
    for name in passed:
        tensors.pop(name, None)
    broken = [name for name, tensor in tensors.items() if not _is_finite(tensor)]
    problems = [
        _first_ten('Encoder tensors that the file lacks', missing),
        _first_ten(f'File tensors {LEFT_OVER}', left_over),
        _first_ten('File tensors of another shape', [misshapen[name] for name in shapes]),
        _first_ten(f'File tensors {NOT_FINITE}', broken),
    ]
    if any(problems):
        hints = _hints(missing, 0) + _hints(left_over, 1)
        raise ValueError(' '.join([problem for problem in problems if problem] + hints))
    idle = [p for p in allow_partial if not fnmatch.filter(passed, p)]
    if idle:
        account.changes.append(f'allow_partial had nothing to let pass for {", ".join(idle)}')
    if not set(wanted) & tensors.keys():
        raise ValueError(f'allow_partial={list(allow_partial)} leaves nothing to load')


def _let_pass(
    account: LoadAccount, reason: str, names: list[str], allow_partial: Sequence[str]
) -> list[str]:
    """Note the names that a pattern allows; return the others."""
    allowed = [n for n in names if any(fnmatch.fnmatchcase(n, p) for p in allow_partial)]
    _note(account.let_pass, reason, allowed)
    return [name for name in names if name not in allowed]


def _is_finite(tensor: Tensor) -> bool:
    return tensor.is_floating_point() and bool(torch.isfinite(tensor).all())


def _first_ten(problem: str, names: list[str]) -> str:
    if not names:
        return ''
    more = f' and {len(names) - 10} more' if len(names) > 10 else ''
    shown = (name if name.isprintable() else repr(name) for name in names[:10])
    return f'{problem} ({len(names)}): {", ".join(shown)}{more}.'


def _hints(names: list[str], side: int) -> list[str]:
    """Advice for tensors missing (side 0) or left over (side 1), if it explains all of them."""
    pieces = {}
    for name in names:
        piece = next((hint[1 + side] for hint in HINTS if re.match(hint[0], name)), '')
        if not piece:
            return []
        pieces[piece] = None
    return list(pieces)
