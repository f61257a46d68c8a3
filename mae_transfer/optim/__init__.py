"""How a model is optimized: rates by depth, decay rules, precision, accumulation, sharding."""

from .accumulation import AccumulatingEpochTrainLoop, AccumulatingIterTrainLoop
from .autocast import AutocastOptimWrapper
from .fully_shard import FullyShardStrategy
from .lars import MAELARS
from .layer_decay import LayerDecayOptimWrapperConstructor
from .param_group_table import format_param_groups
from .warmup_under_cosine import WarmupUnderCosineLR

__all__ = [
    'AccumulatingEpochTrainLoop',
    'AccumulatingIterTrainLoop',
    'AutocastOptimWrapper',
    'FullyShardStrategy',
    'LayerDecayOptimWrapperConstructor',
    'MAELARS',
    'WarmupUnderCosineLR',
    'format_param_groups',
]
