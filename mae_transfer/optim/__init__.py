"""How a model is optimised: learning rate from depth, weight-decay rules, mixed precision."""

from .autocast import AutocastOptimWrapper
from .layer_decay import LayerDecayOptimWrapperConstructor
from .param_group_table import format_param_groups

__all__ = ['AutocastOptimWrapper', 'LayerDecayOptimWrapperConstructor', 'format_param_groups']
