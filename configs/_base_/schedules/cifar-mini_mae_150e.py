"""Pre-training on a thousand pictures of 32 pixels: 150 epochs with a batch of 64."""

_base_ = './cifar_mae_2000e.py'

optim_wrapper = dict(accumulative_counts=1, optimizer=dict(lr=2e-3))
param_scheduler = [dict(type='WarmupUnderCosineLR', warmup=15, end=150, by_epoch=True)]
train_cfg = dict(max_epochs=150)
auto_scale_lr = dict(base_batch_size=64)
