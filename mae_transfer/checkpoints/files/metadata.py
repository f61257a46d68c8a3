"""Validates the facts about an encoder in a checkpoint's ``meta['mae_transfer']`` or a config.

``PlainViT.metadata`` and ``TimmViT.metadata`` produce this metadata.
"""

from collections.abc import Callable
from typing import Any


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 < value < 10**6


def _is_count_or_zero(value: Any) -> bool:
    return type(value) is int and 0 <= value < 10**6


def _is_pair(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and all(map(_is_count, value))


CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    'version': (lambda value: isinstance(value, str), 'a version'),
    'embed_dims': (_is_count, 'a positive int'),
    'num_layers': (_is_count, 'a positive int'),
    'num_heads': (_is_count, 'a positive int'),
    'norm_eps': (lambda value: type(value) is float and 0 < value < 1, 'a float in (0, 1)'),
    'in_channels': (_is_count, 'a positive int'),
    'patch_size': (_is_pair, 'two positive ints, height first'),
    'img_size': (_is_pair, 'two positive ints, height first'),
    'pos_grid': (_is_pair, 'two positive ints, rows first'),
    'num_prefix_tokens': (_is_count_or_zero, 'an int of at least 0'),
    'pos_order': (lambda value: value in ('xy', 'yx', 'learned', None), 'xy, yx, learned or None'),
    'layer_scale': (lambda value: isinstance(value, bool), 'True or False'),
    'act': (lambda value: isinstance(value, str), 'the name of an activation'),
    'norm_pix': (lambda value: isinstance(value, bool), 'True or False'),
}


def check_metadata(block: Any, source: str = 'the metadata') -> None:
    """Refuse facts about an encoder that cannot be true.

    Args:
        block: Facts from a file or a config; keys that are not ours are ignored.
        source: Where the facts come from, for the message.

    Raises:
        ValueError: Names the fact, its value and the rule.
    """
    if not isinstance(block, dict):
        raise ValueError(f'{source} is a {type(block).__name__}, not a dict of facts')
    for fact, (check, rule) in CHECKS.items():
        if fact in block and not check(block[fact]):
            raise ValueError(f'{source} states {fact}={block[fact]!r}: must be {rule}')
    dims, heads = block.get('embed_dims'), block.get('num_heads')
    if dims and heads and dims % heads:
        raise ValueError(f'{source} states num_heads={heads}, which does not divide {dims}')
