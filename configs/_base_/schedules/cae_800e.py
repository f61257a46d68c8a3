"""CAE's pre-training, 800 epochs, 20 of them warm-up."""

_base_ = './cae_300e.py'

param_scheduler = _base_.param_scheduler
param_scheduler[0].end = param_scheduler[1].begin = 20
param_scheduler[1].end = 800
train_cfg = dict(max_epochs=800)
