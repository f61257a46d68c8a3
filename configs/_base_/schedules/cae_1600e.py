"""CAE's pre-training, 1600 epochs, 40 of them warm-up."""

_base_ = './cae_300e.py'

param_scheduler = _base_.param_scheduler
param_scheduler[0].end = param_scheduler[1].begin = 40
param_scheduler[1].end = 1600
train_cfg = dict(max_epochs=1600)
