"""The benchmark on COCO from random weights: four times the iterations of 100 epochs."""

_base_ = './lsj-cosine_100e.py'

max_iters = _base_.max_iters * 4
optim_wrapper = dict(optimizer=dict(lr=1.6e-4, weight_decay=0.2))
param_scheduler = _base_.param_scheduler
param_scheduler[0].update(warmup=max_iters * 0.25 / 400, end=max_iters)
train_cfg = dict(max_iters=max_iters)
