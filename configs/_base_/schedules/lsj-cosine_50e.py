"""The benchmark on COCO, 50 epochs: half the iterations of 100 epochs."""

_base_ = './lsj-cosine_100e.py'

max_iters = _base_.max_iters // 2
param_scheduler = _base_.param_scheduler
param_scheduler[0].update(warmup=max_iters * 0.25 / 50, end=max_iters)
train_cfg = dict(max_iters=max_iters)
