"""The shape of a recipe: what is left of it when numbers and paths that change nothing are erased.

Of recipes of one shape a test of pipelines, model, optimizer and gradients needs to run one: the
others differ in rates, lengths, sizes that ``shrink`` makes equal, and checkpoints. Whatever else
differs, be it a misspelt key or a width that does not fit, makes another shape, which is run.
"""

import functools
import json

from mae_transfer.backbones.arch import resolve_arch
from tests.configs_suite.reading import FULL, load
from tests.configs_suite.tiny_models import shrink

BLOCK_INDICES = ('out_indices', 'global_blocks')
DATA_KEYS = ('collate_fn', 'dataset')  # of a data loader; batch and workers change nothing


def erase(value: object, depth: int, key: str = '') -> object:
    """A part of a shrunk config without rates and paths.

    Args:
        value: The part.
        depth: Blocks of the encoder: indices of blocks count as shares of it.
        key: Name of the part.
    """
    if isinstance(value, dict):
        return {name: erase(child, depth, name) for name, child in sorted(value.items())}
    if key in BLOCK_INDICES and value is not None:
        return [(index + 1) / depth for index in value]
    if isinstance(value, list | tuple):
        return [erase(child, depth) for child in value]
    if key == 'num_layers' and value == depth:
        return 'all blocks'
    if isinstance(value, float):
        return 'a number' if value else 0.0
    if isinstance(value, str) and '/' in value:
        return 'a path'
    return value


@functools.cache
def shape(path: str) -> str:
    """What tells a recipe from those of another shape, as JSON."""
    depth = resolve_arch(load(path).model.backbone.arch)['num_layers']
    cfg = shrink(load(path))
    wrapper = cfg.optim_wrapper
    parts = dict(
        default_scope=cfg.default_scope,
        model=cfg.model,
        train={key: cfg.train_dataloader.get(key) for key in DATA_KEYS},
        val=(cfg.get('val_dataloader') or {}).get('dataset'),
        wrapper=wrapper.type,
        optimizer=wrapper.optimizer.type,
        layer_decay='layer_decay_rate' in wrapper.paramwise_cfg,
        no_decay=wrapper.paramwise_cfg.no_decay,
    )
    return json.dumps(erase(parts, depth), sort_keys=True)


@functools.cache
def recipes_of_shapes() -> dict[str, list[str]]:
    """Every shape of the full recipes: the recipe with the fewest blocks -> all that share it."""
    groups: dict[str, list[str]] = {}
    for path in FULL:
        groups.setdefault(shape(path), []).append(path)

    def blocks(path: str) -> int:
        return resolve_arch(load(path).model.backbone.arch)['num_layers']

    return {min(paths, key=blocks): paths for paths in groups.values()}
