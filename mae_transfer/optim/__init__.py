"""How a model is optimized: rates by depth, decay rules, precision, sharding."""

from mae_transfer.optim.autocast import AutocastOptimWrapper
from mae_transfer.optim.fully_shard import FullyShardStrategy
from mae_transfer.optim.lars import MAELARS
from mae_transfer.optim.layer_decay import LayerDecayOptimWrapperConstructor
from mae_transfer.optim.linear_warmup import LinearWarmupLR
from mae_transfer.optim.param_group_table import format_param_groups
from mae_transfer.optim.warmup_under_cosine import WarmupUnderCosineLR

__all__ = [
    'AutocastOptimWrapper',
    'FullyShardStrategy',
    'LayerDecayOptimWrapperConstructor',
    'LinearWarmupLR',
    'MAELARS',
    'WarmupUnderCosineLR',
    'format_param_groups',
]
