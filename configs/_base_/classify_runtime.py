"""Runtime of classification: MMPretrain, and the best checkpoint is kept, by top-1 accuracy."""

_base_ = './default_runtime.py'

custom_imports = dict(
    imports=['mae_transfer', 'mae_transfer.data.flipped_mixing'], allow_failed_imports=False
)

default_scope = 'mmpretrain'
visualizer = dict(type='UniversalVisualizer', vis_backends=_base_.vis_backends)
default_hooks = dict(checkpoint=dict(save_best='accuracy/top1'))
