"""Third step of a transfer: make a file's encoder tensors fit the model, or say why they cannot.

Only what changes no function is adapted: another grid of positions, another window, a key bias that
attention cannot feel. Whatever else differs is an error, and every adaption is written down.
"""

import math
import re

import torch
from torch import Tensor

from mae_transfer.backbones.plain_vit import PlainViT
from mae_transfer.layers.pos_embed import resize_pos_embed
from mae_transfer.layers.rel_pos import resize_rel_pos
from mae_transfer.transfer.load_account import LoadAccount

Tensors = dict[str, Tensor]

FC_NORMS = ('fresh', 'norm')

FACTS = {
    'embed_dims': 'width',
    'num_layers': 'blocks',
    'num_heads': 'attention heads',
    'patch_size': 'patch size',
    'in_channels': 'input channels',
    'norm_eps': 'epsilon of the layer norms',
}

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
        r'.*\.attn\.(qkv\.bias|[qv]_bias)',
        'The file has no bias of query, key and value: build the encoder with qkv_bias=False.',
        'The file has a bias of query, key and value: build the encoder with qkv_bias=True.',
    ),
)


def check_facts(vit: PlainViT, tensors: Tensors, metadata: dict | None) -> None:
    """Compare sizes, and what the metadata adds to them, before any single tensor.

    Raises:
        ValueError: With one sentence naming each fact in which file and encoder differ.
    """
    facts = (metadata or {}) | _facts_of(tensors)
    wrong = [
        f'{words} {facts[fact]} in the file, {getattr(vit, fact)} in the encoder'
        for fact, words in FACTS.items()
        if fact in facts and not _same(facts[fact], getattr(vit, fact))
    ]
    if wrong:
        raise ValueError(
            f'{"; ".join(wrong)}. Give a checkpoint of this architecture, or set '
            'arch, patch_size, in_channels and norm_eps of the encoder to those of the file'
        )


def _facts_of(tensors: Tensors) -> dict:
    """Read off tensors what their names and shapes tell."""
    facts = {}
    blocks = [int(match[1]) for name in tensors if (match := re.match(r'blocks\.(\d+)\.', name))]
    if blocks:
        facts['num_layers'] = max(blocks) + 1
    kernel = tensors.get('patch_embed.proj.weight')
    if kernel is not None and kernel.ndim == 4:
        facts['embed_dims'], facts['in_channels'], *patch_size = kernel.shape
        facts['patch_size'] = tuple(patch_size)
    return facts


def _same(found: object, wanted: object) -> bool:
    if isinstance(found, list):
        found = tuple(found)
    if isinstance(found, float) and isinstance(wanted, float):
        return math.isclose(found, wanted, rel_tol=1e-3)
    return found == wanted


def fit_encoder(
    vit: PlainViT,
    tensors: Tensors,
    account: LoadAccount,
    metadata: dict | None = None,
    pos_grid: tuple[int, int] | None = None,
    fc_norm: str = 'fresh',
) -> Tensors:
    """Return the tensors that go into the encoder, each of the shape it has there.

    Args:
        vit: The encoder that is to be loaded; it is not changed.
        tensors: The file's encoder by PlainViT's names.
        account: Takes down what was adapted, left fresh or left unused.
        metadata: Facts that the file states about its encoder, if it does.
        pos_grid: Rows and columns of the file's positions, where it cannot tell.
        fc_norm: Where ``fc_norm`` comes from if the file has none: 'fresh' keeps the encoder's
            start, 'norm' takes the file's final norm.

    Raises:
        ValueError: If a tensor of either side has no match, another shape, or is not finite; if
            ``fc_norm`` is unknown, or 'norm' without such a norm in the encoder or the file.
    """
    if fc_norm not in FC_NORMS:
        raise ValueError(f'fc_norm={fc_norm!r}: must be one of {FC_NORMS}')
    check_facts(vit, tensors, metadata)
    tensors = dict(tensors)
    wanted = vit.state_dict()
    _fit_positions(vit, tensors, account, pos_grid or (metadata or {}).get('pos_grid'))
    _fit_qkv_bias(tensors, wanted, account)
    _fit_rel_pos(tensors, wanted, account)
    if fc_norm == 'norm':
        _fill_fc_norm(vit, tensors, account)
    _set_aside(vit, tensors, wanted, account)
    _check_matched(tensors, wanted, account)
    account.loaded = [name for name in wanted if name in tensors]
    return tensors


def _fit_positions(
    vit: PlainViT, tensors: Tensors, account: LoadAccount, pos_grid: tuple[int, int] | None
) -> None:
    """Bring ``pos_embed`` to the encoder's grid and prefix; drop a class token it does not have."""
    if vit.cls_token is None and 'cls_token' in tensors:
        account.unused['cls_token'] = ['cls_token']
        del tensors['cls_token']
    table = tensors.get('pos_embed')
    if table is None or vit.pos_embed is None or table.ndim != 3 or len(table) != 1:
        return  # nothing to resize; _check_matched tells what is wrong
    grid = _grid_of(table.shape[1], vit.pos_grid, pos_grid)
    num_prefix = table.shape[1] - grid[0] * grid[1]
    if grid != vit.pos_grid:
        table = resize_pos_embed(table, vit.pos_grid, grid, num_prefix)
        old, new = (f'{h}x{w}' for h, w in (grid, vit.pos_grid))
        account.changes.append(f'pos_embed {old} -> {new} bicubic')
    if num_prefix > vit.num_prefix_positions:
        if 'cls_token' in tensors:  # the two are only ever used as their sum
            tensors['cls_token'] = tensors['cls_token'] + table[:, :1]
            account.changes.append('class row of pos_embed added to cls_token')
        else:
            account.changes.append('pos_embed without its class row')
        table = table[:, 1:]
    elif num_prefix < vit.num_prefix_positions:
        table = torch.cat([torch.zeros_like(table[:, :1]), table], dim=1)
        account.changes.append('pos_embed with a class row of zeros')
    tensors['pos_embed'] = table


def _grid_of(
    length: int, model_grid: tuple[int, int], stated: tuple[int, int] | None
) -> tuple[int, int]:
    """Find the rows and columns of a table with 0 or 1 row for a class token.

    A stated grid counts; else it is a square, as all published files have; else the encoder's own
    grid if the count agrees.
    """
    if stated is not None:
        h, w = stated
        if length - h * w not in (0, 1):
            raise ValueError(
                f'pos_grid={h}x{w} has {h * w} places, but pos_embed of the file has {length} rows'
            )
        return h, w
    model_fits = length - math.prod(model_grid) in (0, 1)
    side = math.isqrt(length)
    if length - side**2 not in (0, 1):
        if model_fits:
            return model_grid
        raise ValueError(
            f'pos_embed of the file has {length} rows, which is no square grid with or without a '
            'class token, and the file does not state its grid: add pos_grid=(rows, columns) to '
            "init_cfg=dict(type='PretrainedViT', ...)"
        )
    if model_fits and model_grid != (side, side):
        raise ValueError(
            f'pos_embed of the file has {length} rows, which may be {side}x{side} or the '
            f"encoder's {model_grid[0]}x{model_grid[1]}: add pos_grid=(rows, columns) to "
            "init_cfg=dict(type='PretrainedViT', ...)"
        )
    return side, side


def _fit_qkv_bias(tensors: Tensors, wanted: Tensors, account: LoadAccount) -> None:
    """Split or join the bias of query, key and value.

    The key's part adds the same to all logits of a query, so softmax does not feel it: dropping it,
    or setting it to zero, is exact.
    """
    split = joined = 0
    for weight in [name for name in wanted if name.endswith('.qkv.weight')]:
        stem = weight.removesuffix('qkv.weight')
        fused, query, value = f'{stem}qkv.bias', f'{stem}q_bias', f'{stem}v_bias'
        if query in wanted and fused in tensors:
            tensors[query], _, tensors[value] = tensors.pop(fused).chunk(3)
            split += 1
        elif fused in wanted and query in tensors and value in tensors:
            q_bias, v_bias = tensors.pop(query), tensors.pop(value)
            tensors[fused] = torch.cat([q_bias, torch.zeros_like(q_bias), v_bias])
            joined += 1
    if split:
        account.changes.append(f'qkv.bias {split} split, key part dropped')
    if joined:
        account.changes.append(f'qkv.bias {joined} joined, key part zero')


def _fit_rel_pos(tensors: Tensors, wanted: Tensors, account: LoadAccount) -> None:
    """Interpolate tables of relative position to the encoder's windows."""
    resized = 0
    for name in [name for name in tensors if '.rel_pos_' in name and name in wanted]:
        table, length = tensors[name], len(wanted[name])
        if table.ndim == 2 and len(table) != length:
            tensors[name] = resize_rel_pos(table, (length + 1) // 2)
            resized += 1
    if resized:
        account.changes.append(f'rel_pos {resized} resized linearly')


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
    account.changes.append('fc_norm from norm')


def _set_aside(vit: PlainViT, tensors: Tensors, wanted: Tensors, account: LoadAccount) -> None:
    """Note what may stay fresh in the encoder and unused in the file; remove the latter."""
    missing = [name for name in wanted if name not in tensors]
    if not any('.rel_pos_' in name for name in tensors):
        _note(account.fresh, 'rel_pos', [name for name in missing if '.rel_pos_' in name])
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
            _note(account.unused, group, names)
            for name in names:
                del tensors[name]


def _note(groups: dict[str, list[str]], group: str, names: list[str]) -> None:
    if names:
        groups[group] = names


def _check_matched(tensors: Tensors, wanted: Tensors, account: LoadAccount) -> None:
    """Raise unless the tensors, with what is fresh by design, are exactly the encoder."""
    fresh = {name for names in account.fresh.values() for name in names}
    missing = [name for name in wanted if name not in tensors and name not in fresh]
    left_over = [name for name in tensors if name not in wanted]
    misshapen = [
        f'{name} {tuple(tensor.shape)} instead of {tuple(wanted[name].shape)}'
        for name, tensor in tensors.items()
        if name in wanted and tensor.shape != wanted[name].shape
    ]
    broken = [name for name, tensor in tensors.items() if not _is_finite(tensor)]
    problems = [
        _first_ten('Encoder tensors that the file lacks', missing),
        _first_ten('File tensors without a place in the encoder', left_over),
        _first_ten('File tensors of another shape', misshapen),
        _first_ten('File tensors with NaN, infinity or no floating-point numbers', broken),
    ]
    if any(problems):
        hints = _hints(missing, 0) + _hints(left_over, 1)
        raise ValueError(' '.join([problem for problem in problems if problem] + hints))


def _is_finite(tensor: Tensor) -> bool:
    return tensor.is_floating_point() and bool(torch.isfinite(tensor).all())


def _first_ten(problem: str, names: list[str]) -> str:
    if not names:
        return ''
    more = f' and {len(names) - 10} more' if len(names) > 10 else ''
    return f'{problem} ({len(names)}): {", ".join(names[:10])}{more}.'


def _hints(names: list[str], side: int) -> list[str]:
    """Advice for tensors missing (side 0) or left over (side 1), if it explains all of them."""
    pieces = {}
    for name in names:
        piece = next((hint[1 + side] for hint in HINTS if re.match(hint[0], name)), '')
        if not piece:
            return []
        pieces[piece] = None
    return list(pieces)
