"""MAE's pre-training, 1600 epochs: twice 800, with the same warm-up."""

_base_ = './mae_800e.py'

param_scheduler = _base_.param_scheduler
param_scheduler[1].end = 1600
train_cfg = dict(max_epochs=1600)
