"""ViTDet's schedule on COCO, 75 epochs: 3/4 of the iterations and milestones of 100 epochs.

The warm-up is 3/4 as long, too: Detectron2 states it as a fraction of the run.
"""

_base_ = './vitdet_100e.py'

max_iters = _base_.max_iters * 3 // 4
param_scheduler = _base_.param_scheduler
param_scheduler[0].end = 250 / _base_.max_iters * max_iters  # 187.4997: between two steps
param_scheduler[1].update(
    end=max_iters, milestones=[step * 3 // 4 for step in param_scheduler[1].milestones]
)
train_cfg = dict(max_iters=max_iters)
