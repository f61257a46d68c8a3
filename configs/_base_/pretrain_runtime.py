"""Runtime of pre-training: MMPretrain with our methods, and a checkpoint every 20 epochs."""

_base_ = './default_runtime.py'

default_scope = 'mmpretrain'
custom_imports = dict(imports=['mae_transfer.pretrain'], allow_failed_imports=False)
visualizer = dict(type='UniversalVisualizer', vis_backends=_base_.vis_backends)
default_hooks = dict(checkpoint=dict(interval=20))
