"""Finds and checks the data of a config before the first step."""

from collections.abc import Iterable

from mmengine.config import Config

from mae_transfer.data.coco_classes import set_coco_classes
from mae_transfer.data.config_datasets import resolve_data_roots
from mae_transfer.data.mask_folder import check_masks
from mae_transfer.run.places import IN_CHECKOUT, ROOT
from mae_transfer.run.processes import say


def check_data(cfg: Config, loaders: Iterable[str]) -> None:
    """Find the data, read the class names from it, and refuse settings that cannot be right.

    Args:
        cfg: The config, changed in place.
        loaders: Keys of the data loaders that the run will use.
    """
    loaders = list(loaders)
    resolve_data_roots(cfg, loaders, fallback=str(ROOT) if IN_CHECKOUT else None)
    lines = set_coco_classes(cfg, loaders)
    told, warnings = check_masks(cfg, loaders)
    for line in [*lines, *told, *(f'WARNING: {warning}' for warning in warnings)]:
        say(line)
