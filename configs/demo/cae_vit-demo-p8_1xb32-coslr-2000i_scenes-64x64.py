"""Demo, journey 1: CAE with a small ViT on unlabelled scenes, on one core.

As in CAE one crop comes at two sizes: 64 pixels for the encoder, which sees half of its 64 patches,
and 32 for the tokenizer, which gives a token per patch. Both are normalised alike, and the target
renormalises for the tokenizer: so reconstructions can be drawn from the encoder's view alone.

    tools/train.py configs/demo/cae_vit-demo-p8_1xb32-coslr-2000i_scenes-64x64.py

`make demo-cae` trains the tokenizer first and names its work dir in
model.target_generator.checkpoint.
"""

_base_ = [
    '../_base_/models/cae-vit_demo.py',
    '../_base_/models/dvae_conv-demo-p4.py',
    '../_base_/datasets/scenes_unlabelled.py',
    '../_base_/schedules/demo_pretrain_2000i.py',
    '../_base_/mmpretrain_runtime.py',
]

custom_imports = dict(imports=['mae_transfer.pretrain'], allow_failed_imports=False)

img_size, patch_size = 64, 8  # pixels
view_size = 32  # pixels
mean, std = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]

model = dict(
    type='ContextAutoencoder',
    data_preprocessor=dict(
        type='TwoNormDataPreprocessor',
        mean=mean,
        std=std,
        second_mean=mean,
        second_std=std,
        to_rgb=True,
    ),
    backbone=_base_.encoder,
    neck=dict(
        type='ContextNeck',
        encoder_dims=128,
        grid=(img_size // patch_size, img_size // patch_size),
        out_dims=128,  # codes
        embed_dims=128,
        regressor_layers=2,
        decoder_layers=2,
        num_heads=4,
    ),
    target_generator=dict(
        type='TokenTarget',
        tokenizer=_base_.tokenizer,
        checkpoint='work_dirs/demo/seed-0/tokenizer',
        image_mean=mean,
        image_std=std,
        view_size=view_size,
    ),
    head=dict(type='ContextLoss', reconstruction=dict(type='TokenLoss'), align_weight=2.0),
    mask_ratio=0.5,
    masking=dict(type='BlockMasking', min_block=4),
)

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='TwoSizeCrop',
        scale=img_size,
        second_scale=view_size,
        crop_ratio_range=(0.47, 1.0),  # of the area: 44 to 64 pixels
        aspect_ratio_range=(0.9, 1.1),
    ),
    dict(type='PackInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

optim_wrapper = dict(optimizer=dict(betas=(0.9, 0.999)), clip_grad=dict(max_norm=3.0))
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=500, max_keep_ckpts=1))
custom_hooks = [
    dict(type='EncoderMetadataHook'),
    dict(type='ReconstructionHook', num_images=8, interval=500),
]
