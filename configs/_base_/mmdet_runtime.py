"""Runtime of detection: the framework is MMDetection."""

_base_ = './default_runtime.py'

default_scope = 'mmdet'
visualizer = dict(type='DetLocalVisualizer', vis_backends=_base_.vis_backends)
