"""Runtime of detection counted in epochs, at many image sizes: MMDetection.

The best checkpoint by the AP of boxes is kept.
"""

_base_ = './default_runtime.py'

default_scope = 'mmdet'
visualizer = dict(type='DetLocalVisualizer', vis_backends=_base_.vis_backends)
default_hooks = dict(checkpoint=dict(save_best='coco/bbox_mAP'))
env_cfg = dict(cudnn_benchmark=False)  # each batch has another size
