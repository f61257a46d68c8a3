"""Re-exports MMEngine's root registries, in which this package registers its parts.

Parts that several tasks share are registered in MMEngine's *root* registries: MMDetection,
MMSegmentation and MMPretrain look there for names that are not among their own, so one registration
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
