"""Training of classifiers on a thousand pictures of 32 pixels: 15 epochs with a batch of 64.

The test part is evaluated once, after the last epoch. The learning rate is the recipe's.
"""

_base_ = './cifar_classify_100e.py'

param_scheduler = [dict(type='WarmupUnderCosineLR', warmup=1.5, end=15, by_epoch=True)]
train_cfg = dict(max_epochs=15, val_interval=15)
auto_scale_lr = dict(base_batch_size=64)
