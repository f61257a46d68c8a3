"""Runtime of the demo's pre-training: a checkpoint and eight reconstructions every 500 steps."""

_base_ = './default_runtime.py'

default_scope = 'mmpretrain'
custom_imports = dict(imports=['mae_transfer.pretrain'], allow_failed_imports=False)
visualizer = dict(type='UniversalVisualizer', vis_backends=_base_.vis_backends)
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=500, max_keep_ckpts=1))
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='ReconstructionHook', num_images=8, interval=500),
]
