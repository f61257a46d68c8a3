"""ViTDet's schedule on COCO, 200 epochs: twice the iterations of 100 epochs, milestones as well."""

_base_ = './vitdet_100e.py'

max_iters = _base_.max_iters * 2
param_scheduler = _base_.param_scheduler
param_scheduler[1].update(
    end=max_iters, milestones=[step * 2 for step in param_scheduler[1].milestones]
)
train_cfg = dict(max_iters=max_iters)
