"""Runtime of detection counted in iterations: MMDetection, a checkpoint at each validation.

The best one by the AP of boxes is kept.
"""

_base_ = './default_runtime.py'

custom_imports = dict(
    imports=[
        'mae_transfer',
        'mae_transfer.data.large_scale_jitter',
        'mae_transfer.data.load_polygons',
        'mae_transfer.heads',
    ],
    allow_failed_imports=False,
)
default_scope = 'mmdet'
visualizer = dict(type='DetLocalVisualizer', vis_backends=_base_.vis_backends)
default_hooks = dict(
    logger=dict(log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=5000, save_best='coco/bbox_mAP'),
)
log_processor = dict(type='LogProcessor', window_size=50, by_epoch=False)
