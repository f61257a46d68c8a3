"""The demo's MAE: a decoder of two blocks, 64 wide, and plain pixels as target."""

_base_ = './vit_demo.py'

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
