"""Demo, journey 1: MAE with a small ViT on unlabelled scenes, on one core.

Pictures of 64 pixels, 16 of 64 patches visible. Targets are plain pixels, so that reconstructions
show colours of the model's own. No flip: a mirrored digit is no digit.

    tools/train.py configs/demo/mae_vit-demo-p8_1xb32-coslr-2000i_scenes-64x64.py

`make demo` makes the data and runs this first.
"""

_base_ = [
    '../_base_/models/vit_demo.py',
    '../_base_/datasets/scenes_unlabelled.py',
    '../_base_/schedules/demo_pretrain_2000i.py',
    '../_base_/mmpretrain_runtime.py',
]

custom_imports = dict(imports=['mae_transfer.pretrain'], allow_failed_imports=False)

img_size, patch_size = 64, 8  # pixels

model = dict(
    type='MaskedAutoencoder',
    data_preprocessor=dict(
        type='SelfSupDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        to_rgb=True,
    ),
    backbone=_base_.encoder,
    neck=dict(
        type='MAEDecoder',
        encoder_dims=128,
        grid=(img_size // patch_size, img_size // patch_size),
        out_dims=3 * patch_size**2,
        embed_dims=64,
        num_layers=2,
        num_heads=4,
    ),
    target_generator=dict(type='PixelTarget', patch_size=patch_size, norm_pix=False),
    head=dict(type='MaskedPatchLoss'),
    mask_ratio=0.75,
)

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='RandomResizedCrop',
        scale=img_size,
        crop_ratio_range=(0.47, 1.0),  # of the area: 44 to 64 pixels
        aspect_ratio_range=(0.9, 1.1),
    ),
    dict(type='PackInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

optim_wrapper = dict(optimizer=dict(betas=(0.9, 0.95)))
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=500, max_keep_ckpts=1))
custom_hooks = [
    dict(type='EncoderMetadataHook'),
    dict(type='ReconstructionHook', num_images=8, interval=500),
]
