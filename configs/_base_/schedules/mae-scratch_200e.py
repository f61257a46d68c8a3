"""MAE's supervised training from scratch, ViT-L and ViT-H: 200 epochs."""

_base_ = './mae-scratch_300e.py'

param_scheduler = _base_.param_scheduler
param_scheduler[1].end = 200
train_cfg = dict(max_epochs=200)
