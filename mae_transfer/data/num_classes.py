"""Set one number of classes wherever a model's config states it."""

from collections.abc import Collection, Iterable, Iterator, MutableMapping
from typing import Any

# The encoder has no classes; HTC's semantic head counts stuff classes, which are another list.
NOT_OURS = ('backbone', 'semantic_head')


def set_num_classes(cfg: MutableMapping, num_classes: int) -> dict[str, int]:
    """Write ``num_classes`` into every part of the model that states a `num_classes`.

    Covers single heads, lists of heads (cascades, several auxiliary heads) and batch augmentations.

    Args:
        cfg: The whole config, changed in place.
        num_classes: The new number, >= 1.

    Returns:
        Dotted key -> former number, for every place that stated one.
    """
    former: dict[str, int] = {}
    for top in ('model', 'data_preprocessor'):
        for key, block in _blocks(top, cfg.get(top)):
            if isinstance(block.get('num_classes'), int):
                former[f'{key}.num_classes'] = block['num_classes']
                block['num_classes'] = num_classes
    return former


def drop_class_weights(cfg: MutableMapping, given: Collection[str] = ()) -> list[str]:
    """Drop the class weights of losses: they belong to the classes that the config was made for.

    Args:
        cfg: The whole config, changed in place.
        given: Dotted keys that the user set; their weights stay.

    Returns:
        Dotted keys of the weights that were dropped.
    """
    dropped: list[str] = []
    for key, block in _blocks('model', cfg.get('model')):
        weights = f'{key}.class_weight'
        if block.get('class_weight') is not None and weights not in given:
            block['class_weight'] = None
            dropped.append(weights)
    return dropped


def _blocks(key: str, node: object) -> Iterator[tuple[str, MutableMapping]]:
    """A part of the config and all parts in it that may state classes, with their dotted keys."""
    children: Iterable[tuple[Any, Any]]
    if isinstance(node, MutableMapping):
        yield key, node
        children = node.items()
    elif isinstance(node, list | tuple):
        children = enumerate(node)
    else:
        return
    for name, child in children:
        if name not in NOT_OURS:
            yield from _blocks(f'{key}.{name}', child)
