"""Tells the depth of a parameter in an encoder from its name."""

from collections.abc import Collection


def layer_depth(
    param_name: str, prefix: str, num_layers: int, embeddings: Collection[str]
) -> tuple[int, int]:
    """Return the depth of a parameter, for layer-wise learning-rate decay.

    Args:
        param_name: Name of the parameter.
        prefix: Prefix of the encoder's parameters.
        num_layers: Number of blocks, whose names begin with ``blocks.N.`` after the prefix.
        embeddings: First parts of the names, after the prefix, of what comes before the blocks.

    Returns:
        The depth and the number of depths, ``num_layers + 2``: 0 = embeddings, i + 1 = block i,
        ``num_layers + 1`` = everything else.
    """
    last = num_layers + 1
    if not param_name.startswith(prefix):
        return last, last + 1
    first, *rest = param_name.removeprefix(prefix).split('.')
    if first in embeddings:
        return 0, last + 1
    if first == 'blocks':
        return int(rest[0]) + 1, last + 1
    return last, last + 1
