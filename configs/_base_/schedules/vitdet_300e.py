"""ViTDet's schedule on COCO from random weights, ViT-B: 300 epochs.

Iterations and milestones are three times those of 100 epochs. There is no released file; the
warm-up is the paper's, 250 iterations.
"""

_base_ = './vitdet_100e.py'

max_iters = _base_.max_iters * 3
optim_wrapper = dict(optimizer=dict(lr=1.6e-4, weight_decay=0.2))
param_scheduler = _base_.param_scheduler
param_scheduler[1].update(
    end=max_iters, milestones=[step * 3 for step in param_scheduler[1].milestones]
)
train_cfg = dict(max_iters=max_iters)
