"""Journey 2, before the model is built: one number of classes, everywhere a config states it."""

from collections.abc import Collection, MutableMapping

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

    def visit(key: str, node: object) -> None:
        if isinstance(node, MutableMapping):
            if isinstance(node.get('num_classes'), int):
                former[f'{key}.num_classes'] = node['num_classes']
                node['num_classes'] = num_classes
            for name, child in node.items():
                if name not in NOT_OURS:
                    visit(f'{key}.{name}', child)
        elif isinstance(node, list | tuple):
            for i, child in enumerate(node):
                visit(f'{key}.{i}', child)

    for key in ('model', 'data_preprocessor'):
        visit(key, cfg.get(key))
    return former


def drop_class_weights(cfg: MutableMapping, given: Collection[str] = ()) -> list[str]:
    """Forget the class weights of losses: they belong to the classes that the config was made for.

    Args:
        cfg: The whole config, changed in place.
        given: Dotted keys that the user set; their weights stay.

    Returns:
        Dotted keys of the weights that were dropped.
    """
    dropped: list[str] = []

    def visit(key: str, node: object) -> None:
        if isinstance(node, MutableMapping):
            weights = f'{key}.class_weight'
            if node.get('class_weight') is not None and weights not in given:
                node['class_weight'] = None
                dropped.append(weights)
            for name, child in node.items():
                visit(f'{key}.{name}', child)
        elif isinstance(node, list | tuple):
            for i, child in enumerate(node):
                visit(f'{key}.{i}', child)

    visit('model', cfg.get('model'))
    return dropped
