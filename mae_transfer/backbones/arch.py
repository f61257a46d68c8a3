"""Defines the named sizes of vision transformers, and argument checks that encoders share."""

from collections.abc import Sequence

from torch import Tensor

ARCHS = {
    'tiny': dict(embed_dims=192, num_layers=12, num_heads=3),
    'small': dict(embed_dims=384, num_layers=12, num_heads=6),
    'base': dict(embed_dims=768, num_layers=12, num_heads=12),
    'large': dict(embed_dims=1024, num_layers=24, num_heads=16),
    'huge': dict(embed_dims=1280, num_layers=32, num_heads=16),
}


def resolve_arch(arch: str | dict) -> dict:
    """Return width, depth, heads and MLP ratio of an architecture given by name or as a dict.

    Raises:
        ValueError: If the name is unknown, or the dict lacks a key or has an unknown one.
    """
    if isinstance(arch, str):
        if arch not in ARCHS:
            raise ValueError(f'arch={arch!r}: must be one of {sorted(ARCHS)} or a dict')
        arch = ARCHS[arch]
    required = {'embed_dims', 'num_layers', 'num_heads'}
    if not required <= arch.keys() <= required | {'mlp_ratio'}:
        raise ValueError(
            f'arch={arch}: needs the keys {sorted(required)}; the only other key is mlp_ratio'
        )
    return {'mlp_ratio': 4.0, **arch}


def to_pair(value: int | Sequence[int], name: str) -> tuple[int, int]:
    """Convert a size given as one number or as (height, width) to (height, width).

    Raises:
        ValueError: If it is neither, or a side is not positive.
    """
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) != 2 or any(not isinstance(v, int) or v < 1 for v in pair):
        raise ValueError(f'{name}={value!r}: must be a positive int or (height, width)')
    return pair


def block_indices(indices: int | Sequence[int], num_layers: int, name: str) -> tuple[int, ...]:
    """Resolve indices of blocks; negative ones count from the end.

    Args:
        indices: One index or several, each in [-num_layers, num_layers).
        num_layers: Number of blocks in the encoder.
        name: Name of the argument, for the errors.

    Returns:
        Ascending indices in [0, num_layers).

    Raises:
        ValueError: If there is no such block, or the indices do not ascend without repetition.
    """
    indices = (indices,) if isinstance(indices, int) else tuple(indices)
    if any(not -num_layers <= i < num_layers for i in indices):
        raise ValueError(f'{name}={indices}: the encoder has blocks 0 to {num_layers - 1}')
    indices = tuple(i % num_layers for i in indices)
    if list(indices) != sorted(set(indices)):
        raise ValueError(f'{name}={indices}: must ascend without repetition')
    return indices


def check_drop_path_rate(drop_path_rate: float) -> None:
    """Refuse a stochastic depth that is no probability, or drops everything.

    Raises:
        ValueError: If it is not in [0, 1).
    """
    if not 0 <= drop_path_rate < 1:
        raise ValueError(f'drop_path_rate={drop_path_rate}: must be in [0, 1)')


def check_images(x: Tensor, in_channels: int) -> None:
    """Refuse images that an encoder cannot take.

    Raises:
        ValueError: If they are not (B, in_channels, H, W).
    """
    if x.ndim != 4 or x.shape[1] != in_channels:
        raise ValueError(
            f'images have the shape {tuple(x.shape)}, but the encoder takes (B, {in_channels}, H, '
            'W): adapt the data or in_channels'
        )
