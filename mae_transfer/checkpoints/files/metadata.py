"""Facts about an encoder that its tensors do not tell; our checkpoints carry them in ``meta``."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from mae_transfer.backbones.plain_vit import PlainViT
from mae_transfer.layers.pos_embed import sincos_pos_embed
from mae_transfer.version import __version__

ROUNDING = 5e-4  # of values up to 1 in float16


def encoder_metadata(vit: PlainViT, pos_embed: Tensor | None = None) -> dict:
    """Describe an encoder in plain containers, for ``checkpoint['meta']['mae_transfer']``.

    Args:
        vit: The encoder.
        pos_embed: Its whole table of positions, (1, N, C), where the encoder itself holds only a
            part of it (sharded training); by default the encoder's own.

    Returns:
        Sizes in pixels and patches (height first), widths, heads, epsilon of the norms, and
        ``pos_order``: 'xy' or 'yx' for a sine-cosine table in that order, 'learned' for any other
        table, None without one.
    """
    return dict(
        version=__version__,
        embed_dims=vit.embed_dims,
        num_layers=vit.num_layers,
        num_heads=vit.num_heads,
        norm_eps=vit.norm_eps,
        in_channels=vit.in_channels,
        patch_size=list(vit.patch_size),
        img_size=list(vit.img_size),
        pos_grid=list(vit.pos_grid),
        num_prefix_tokens=vit.num_prefix_tokens,
        pos_order=_pos_order(vit.pos_embed if pos_embed is None else pos_embed, vit.pos_grid),
        act='gelu',
        layer_scale=any(name.endswith('ls1.gamma') for name, _ in vit.named_parameters()),
    )


def _pos_order(pos_embed: Tensor | None, grid: tuple[int, int]) -> str | None:
    """'xy', 'yx', 'learned' or, without absolute positions, None."""
    if pos_embed is None:
        return None
    orders = sincos_orders(pos_embed, grid)
    return orders[0] if orders else 'learned'


def sincos_orders(pos_embed: Tensor, grid: tuple[int, int]) -> tuple[str, ...]:
    """Recognise fixed sine-cosine positions by comparing them with the tables of both axis orders.

    Args:
        pos_embed: (1, rows, C); the rows in front of those of the patches are not looked at.
        grid: Rows and columns of patches.

    Returns:
        The orders that fit: none for learned positions, both for a single patch. Tables that were
        computed or saved in half precision are recognised.
    """
    dims, num_patches = pos_embed.shape[2], grid[0] * grid[1]
    if dims % 4:
        return ()
    table = pos_embed.detach()[:, -num_patches:].float().cpu()
    return tuple(
        order
        for order in ('xy', 'yx')
        if torch.allclose(table, sincos_pos_embed(dims, grid, order, 0), atol=ROUNDING)
    )


# ---- what a stranger's file may state ------------------------------------------------------------


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
        block: What a file or a config states; keys that are not ours are not looked at.
        source: Where it stands, for the message.

    Raises:
        ValueError: Naming the fact, its value and the rule.
    """
    if not isinstance(block, dict):
        raise ValueError(f'{source} is a {type(block).__name__}, not a dict of facts')
    for fact, (check, rule) in CHECKS.items():
        if fact in block and not check(block[fact]):
            raise ValueError(f'{source} states {fact}={block[fact]!r}: must be {rule}')
    dims, heads = block.get('embed_dims'), block.get('num_heads')
    if dims and heads and dims % heads:
        raise ValueError(f'{source} states num_heads={heads}, which does not divide {dims}')
