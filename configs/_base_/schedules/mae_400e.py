"""MAE's pre-training, 400 epochs: half of 800, with the same warm-up."""

_base_ = './mae_800e.py'

param_scheduler = _base_.param_scheduler
param_scheduler[1].end = 400
train_cfg = dict(max_epochs=400)
