"""Recipes with weights shared out over the GPUs: those of one GPU's memory, in bfloat16."""

from dataclasses import replace

from tests.configs_suite.tables import detection, pretrain

PLAIN = {
    pretrain.path('large-p16', 800): pretrain,
    pretrain.path('huge-p14', 800): pretrain,
    'detection/mask-rcnn_vit-large-p16_mae-pre_simple-fpn_32xb2-amp-lsj-100e_coco.py': detection,
    'detection/mask-rcnn_vit-huge-p16_mae-pre_simple-fpn_64xb1-amp-lsj-75e_coco.py': detection,
}


def sharded(path: str) -> str:
    """The sharded twin of a recipe."""
    return path.replace('-amp-', '-amp-fsdp-')


RECIPES = {
    sharded(path): replace(table.RECIPES[path], dtype='bfloat16') for path, table in PLAIN.items()
}
FACTS = {
    sharded(path): {
        **table.FACTS.get(path, {}),
        'runner_type': 'FlexibleRunner',
        'strategy.type': 'FullyShardStrategy',
    }
    for path, table in PLAIN.items()
}
ORDERS: dict[str, list[str]] = {}
RUNS: dict[str, list[str]] = {}
