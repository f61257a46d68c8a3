"""The one file that knows the registries of the framework below.

Everything that several tasks share is registered in MMEngine's *root* registries: MMDetection,
MMSegmentation and MMPretrain look there when a name is not among their own, so one registration
serves every ``default_scope``. Only parts that subclass a framework (``mae_transfer.pretrain``) are
registered with that framework, in their own file, because importing it takes seconds.
"""

from mmengine.registry import (
    DATASETS,
    HOOKS,
    LOOPS,
    METRICS,
    MODELS,
    OPTIM_WRAPPER_CONSTRUCTORS,
    OPTIM_WRAPPERS,
    OPTIMIZERS,
    PARAM_SCHEDULERS,
    STRATEGIES,
    TASK_UTILS,
    TRANSFORMS,
    WEIGHT_INITIALIZERS,
)

__all__ = [
    'DATASETS',
    'HOOKS',
    'LOOPS',
    'METRICS',
    'MODELS',
    'OPTIMIZERS',
    'OPTIM_WRAPPERS',
    'OPTIM_WRAPPER_CONSTRUCTORS',
    'PARAM_SCHEDULERS',
    'STRATEGIES',
    'TASK_UTILS',
    'TRANSFORMS',
    'WEIGHT_INITIALIZERS',
]
