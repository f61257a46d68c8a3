"""CAE's fine-tuning of ViT-S on ImageNet-1K: 200 epochs, learning rate 1.6e-2."""

_base_ = './cae-finetune_100e.py'

optim_wrapper = dict(optimizer=dict(lr=1.6e-2), paramwise_cfg=dict(layer_decay_rate=0.75))
param_scheduler = _base_.param_scheduler
param_scheduler[1].end = 200
param_scheduler[1].eta_min_ratio = 1e-6 / 1.6e-2
train_cfg = dict(max_epochs=200)
