"""The demo's CAE: regressor and decoder of two blocks, and the tokens of the demo's tokenizer."""

_base_ = ['./cae-vit_demo.py', './dvae_conv-demo-p4.py']

img_size, patch_size = 64, 8  # pixels
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
        view_size=32,  # pixels
    ),
    head=dict(type='ContextLoss', reconstruction=dict(type='TokenLoss'), align_weight=2.0),
    mask_ratio=0.5,
    masking=dict(type='BlockMasking', min_block=4),
)
