"""MAE's fine-tuning of ViT-L and ViT-H on ImageNet-1K: 50 epochs, base learning rate 1e-3."""

_base_ = './mae-finetune_100e.py'

optim_wrapper = dict(
    optimizer=dict(lr=1e-3 * 1024 / 256), paramwise_cfg=dict(layer_decay_rate=0.75)
)
param_scheduler = _base_.param_scheduler
param_scheduler[1].end = 50
param_scheduler[1].eta_min_ratio = 1e-6 / 4e-3
train_cfg = dict(max_epochs=50)
