"""MAE on a thousand pictures of CIFAR-10: the recipe made small enough for two cores.

Four blocks, 128 wide, patches of 4 pixels (16 of 64 visible), 150 epochs. Unlike the full recipe it
crops and flips, predicts normalised pixels and has MAE's narrower decoder: with so few pictures
that is worth more than likeness.

Source: none; `mae_vit-tiny-p2_1xb4096-coslr-2000e_cifar10.py` is the model for it.
Expected: no score of its own; see the README for what fine-tuning gains.
Cost: see the README.

    tools/train.py configs/cifar/mae_vit-mini-p4_1xb64-coslr-150e_cifarmini.py \
        --cfg-options data.root=FOLDER
"""

_base_ = [
    '../_base_/models/cifar_mae_vit-tiny-p2.py',
    '../_base_/datasets/cifar_pretrain.py',
    '../_base_/schedules/cifar_mae_2000e.py',
    '../_base_/mmpretrain_runtime.py',
]

max_epochs = 150
patch_size = 4  # pixels

custom_imports = dict(imports=['mae_transfer.pretrain'], allow_failed_imports=False)
model = dict(
    backbone=dict(
        arch=dict(_delete_=True, embed_dims=128, num_layers=4, num_heads=4),
        patch_size=patch_size,
    ),
    neck=dict(
        encoder_dims=128,
        grid=(32 // patch_size, 32 // patch_size),
        out_dims=3 * patch_size**2,
        embed_dims=64,
        num_layers=2,
        num_heads=4,
        input_layer=True,
        final_norm=True,
    ),
    target_generator=dict(patch_size=patch_size, norm_pix=True),
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

optim_wrapper = dict(accumulative_counts=1, optimizer=dict(lr=2e-3))
param_scheduler = [
    dict(type='WarmupUnderCosineLR', warmup=max_epochs // 10, end=max_epochs, by_epoch=True)
]
train_cfg = dict(max_epochs=max_epochs)
auto_scale_lr = dict(base_batch_size=64)

custom_hooks = [
    dict(type='EncoderMetadataHook'),
    dict(type='ReconstructionHook', num_images=16, interval=15 * 16),  # fifteen epochs
]
default_hooks = dict(checkpoint=dict(interval=max_epochs))
