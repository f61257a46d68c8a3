"""A classifier on a thousand pictures of CIFAR-10 from random weights, 15 epochs.

Source: none; `vit-tiny-p2_1xb128-coslr-100e_cifar10.py` is the model for it. The test part is
looked at once, after the last epoch.
Expected: see the README.
Cost: see the README.

    tools/train.py configs/cifar/vit-mini-p4_1xb64-coslr-15e_cifarmini.py \
        --cfg-options data.root=FOLDER
"""

_base_ = [
    '../_base_/models/cifar_classifier_vit-tiny-p2.py',
    '../_base_/datasets/cifar_classify.py',
    '../_base_/schedules/cifar_classify_100e.py',
    '../_base_/mmpretrain_runtime.py',
]

max_epochs = 15

model = dict(
    backbone=dict(
        arch=dict(_delete_=True, embed_dims=128, num_layers=4, num_heads=4), patch_size=4
    ),
    head=dict(in_channels=128),
)

train_pipeline = [
    dict(type='RandomCrop', crop_size=32, padding=4),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackInputs'),
]
train_dataloader = dict(
    batch_size=64,
    num_workers=1,
    dataset=dict(data_root='data/cifar-mini', pipeline=train_pipeline),
)
val_dataloader = dict(num_workers=1, dataset=dict(data_root='data/cifar-mini'))
test_dataloader = val_dataloader

optim_wrapper = dict(optimizer=dict(lr=5e-4))
param_scheduler = [
    dict(type='WarmupUnderCosineLR', warmup=max_epochs / 10, end=max_epochs, by_epoch=True)
]
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
auto_scale_lr = dict(base_batch_size=64)
default_hooks = dict(checkpoint=dict(interval=max_epochs))
