"""CAE's fine-tuning of ViT-L on ImageNet-1K: 50 epochs, learning rate 2e-3."""

_base_ = './cae-finetune_100e.py'

optim_wrapper = dict(optimizer=dict(lr=2e-3), paramwise_cfg=dict(layer_decay_rate=0.75))
param_scheduler = _base_.param_scheduler
param_scheduler[1].end = 50
param_scheduler[1].eta_min_ratio = 1e-6 / 2e-3
train_cfg = dict(max_epochs=50)
