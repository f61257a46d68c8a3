"""Runtime of segmentation, counted in iterations: MMSegmentation, a checkpoint at each validation.

The best one by mIoU is kept.
"""

_base_ = './default_runtime.py'

default_scope = 'mmseg'
visualizer = dict(type='SegLocalVisualizer', vis_backends=_base_.vis_backends)
default_hooks = dict(
    logger=dict(log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=16000, save_best='mIoU'),
)
log_processor = dict(type='LogProcessor', window_size=50, by_epoch=False)
