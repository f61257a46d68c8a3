"""The benchmark on COCO, 25 epochs: a quarter of the iterations of 100 epochs."""

_base_ = './lsj-cosine_100e.py'

max_iters = _base_.max_iters // 4
param_scheduler = _base_.param_scheduler
param_scheduler[0].update(warmup=max_iters * 0.25 / 25, end=max_iters)
train_cfg = dict(max_iters=max_iters)
