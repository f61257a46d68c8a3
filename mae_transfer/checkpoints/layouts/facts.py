"""Gathers the facts about a file's encoder and their sources; a contradiction is an error.

Tensors determine widths, depths and the order of sine-cosine positions, but not heads, epsilon and
activation. Those come from our metadata, from config.json, from timm's model of that name, from the
config (``facts``) or, if none of these states them, from the layout, whose code fixes them.
"""

import math
import re
from collections.abc import Sequence
from typing import Any

from mae_transfer.backbones.plain_vit import PlainViT
from mae_transfer.backbones.timm_weights import timm_facts
from mae_transfer.checkpoints.files.checkpoint_file import CheckpointFile
from mae_transfer.checkpoints.files.hugging_face import CONFIG, config_facts
from mae_transfer.checkpoints.files.metadata import check_metadata
from mae_transfer.checkpoints.layouts.parts import find_parts
from mae_transfer.checkpoints.layouts.pos_grid import square_grids
from mae_transfer.checkpoints.layouts.translate import EncoderTensors
from mae_transfer.checkpoints.steps import Tensors
from mae_transfer.layers.pos_embed import sincos_orders

Facts = dict[str, tuple[Any, str]]  # fact -> (value, source)

TENSORS, METADATA = "the file's tensors", "the file's metadata"
ARGUMENTS, STATED, LAYOUT = "the file's arguments", 'facts=', 'layout'
FIXED_ORDERS = ('xy', 'yx')
ENCODER = "the encoder's config, nothing else states it"

COMPARED = {
    'embed_dims': 'width',
    'num_layers': 'blocks',
    'num_heads': 'attention heads',
    'norm_eps': 'epsilon of the layer norms',
    'act': 'activation',
}
WORDS = COMPARED | {
    'patch_size': 'patch size',
    'in_channels': 'input channels',
    'pos_order': 'axis order of the positions',
    'layer_scale': 'layer scale',
    'norm_pix': 'normalized pixels',
    'pos_grid': 'grid of positions',
    'img_size': 'image size',
}


def gather_facts(file: CheckpointFile, found: EncoderTensors, stated: dict | None = None) -> Facts:
    """Collect the facts about a file's encoder.

    Args:
        file: The file.
        found: Its encoder.
        stated: Facts from the config (``facts`` of PretrainedViT).

    Raises:
        ValueError: If a fact cannot be true, or two sources contradict each other; names both.
    """
    sources = _statements(file, found, stated or {})
    for told, source in sources:
        check_metadata(told, source)
    facts: Facts = {}
    for told, source in sources:
        for fact, value in told.items():
            if fact in WORDS and value is not None:
                _add(facts, fact, tuple(value) if isinstance(value, list) else value, source)
    dims = facts.get('embed_dims', (None,))[0]
    for fact, value in found.layout.facts_of(dims).items():
        facts.setdefault(fact, (value, f'{LAYOUT} {found.layout.name}'))
    return facts


def _statements(
    file: CheckpointFile, found: EncoderTensors, stated: dict[str, Any]
) -> list[tuple[dict[str, Any], str]]:
    """List the facts by source; where sources agree, the first one is recorded."""
    unknown = sorted(stated.keys() - WORDS.keys())
    if unknown:
        raise ValueError(f'facts={stated}: {unknown[0]!r} must be one of {", ".join(WORDS)}')
    check_metadata(stated, STATED)
    metadata, config = file.metadata or {}, file.config or {}
    grid = stated.get('pos_grid') or metadata.get('pos_grid')
    tensors = tensor_facts(found.tensors, grid)
    timm_name = config.get('architecture')
    if timm_name is None:
        library = (config_facts(config), CONFIG)
    elif isinstance(timm_name, str):
        library = (timm_facts(timm_name), f"timm's {timm_name}")
    else:
        raise ValueError(f'the file states the timm model {timm_name!r}: must be a name')
    arguments = {}
    if 'norm_pix_loss' in file.arguments:
        arguments['norm_pix'] = bool(file.arguments['norm_pix_loss'])
    return [
        (tensors, TENSORS),
        (metadata, METADATA),
        library,
        (arguments, ARGUMENTS),
        (stated, STATED),
    ]


def _add(facts: Facts, fact: str, value: Any, source: str) -> None:
    known, by = facts.setdefault(fact, (value, source))
    if not _agree(fact, known, value):
        raise ValueError(
            f'{WORDS[fact]} {_shown(known)} by {by}, but {_shown(value)} by {source}: the file '
            'contradicts itself or the config; use a file and a config that belong together'
        )


def tensor_facts(tensors: Tensors, pos_grid: Sequence[int] | None = None) -> dict[str, Any]:
    """Derive facts from the names and shapes of tensors.

    Args:
        tensors: An encoder under PlainViT's names.
        pos_grid: Rows and columns of the positions, if not square.
    """
    facts: dict[str, Any] = {}
    blocks = [int(match[1]) for name in tensors if (match := re.match(r'blocks\.(\d+)\.', name))]
    parts = find_parts(tensors)
    if blocks:
        facts['num_layers'] = max(blocks) + 1
        facts['layer_scale'] = parts.layer_scale
    kernel = tensors.get('patch_embed.proj.weight')
    if kernel is not None and kernel.ndim == 4:
        facts['embed_dims'], facts['in_channels'], *patch_size = kernel.shape
        facts['patch_size'] = tuple(patch_size)
    table = tensors.get('pos_embed')
    if table is not None and table.ndim == 3:
        rows, orders = table.shape[1], set()
        for h, w in [pos_grid] if pos_grid else square_grids(rows, parts.num_register_tokens):
            orders |= set(sincos_orders(table, (h, w)) if h * w <= rows else ())
        if len(orders) == 1:
            facts['pos_order'] = orders.pop()
    return facts


def check_facts(vit: PlainViT, facts: Facts) -> Facts:
    """Compare the facts about the file's encoder with the model's, before any tensor.

    Returns:
        The facts; those that no source states are taken from the encoder.

    Raises:
        ValueError: Names, in one sentence, each fact in which they differ.
    """
    own = vit.metadata()
    wrong = [
        f'{words} {_shown(facts[fact][0])} in the file ({facts[fact][1]}), {_shown(own[fact])} in '
        'the encoder'
        for fact, words in COMPARED.items()
        if fact in facts and not _agree(fact, facts[fact][0], own[fact])
    ]
    if 'pos_order' in facts and own['pos_order'] in FIXED_ORDERS and math.prod(vit.pos_grid) > 1:
        order, source = facts['pos_order']
        if order in FIXED_ORDERS and source == TENSORS and order != own['pos_order']:
            wrong.append(
                f'axis order of the positions {order!r} in the file ({source}), '
                f"{own['pos_order']!r} in the encoder: build it with pos_embed='sincos_{order}'"
            )
    if wrong:
        by_layout = any(LAYOUT in sentence for sentence in wrong)
        exception = (
            '; if this file is an exception to its layout, state it as facts=dict(...) in '
            'init_cfg, or export a whole classifier with tools/export.py --to mae_transfer --facts'
        )
        raise ValueError(
            f'{"; ".join(wrong)}. Give a checkpoint of this architecture, or set arch and norm_eps '
            f'of the encoder to those of the file{exception if by_layout else ""}'
        )
    return facts | {fact: (own[fact], ENCODER) for fact in COMPARED if fact not in facts}


def _agree(fact: str, one: object, other: object) -> bool:
    if fact == 'pos_order' and 'learned' in (one, other):
        return True  # a trained table may have started as a fixed one
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-3)
    return one == other


def _shown(value: object) -> str:
    return f'{value:g}' if isinstance(value, float) else str(value)
