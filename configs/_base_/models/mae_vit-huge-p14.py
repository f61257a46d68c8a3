"""MAE with a ViT-H/14 encoder and the 8 x 512 decoder: 16 x 16 patches on 224 pixels."""

_base_ = './mae_vit-base-p16.py'

patch_size = 14  # pixels

model = dict(
    backbone=dict(arch='huge', patch_size=patch_size),
    neck=dict(
        encoder_dims=1280, grid=(224 // patch_size, 224 // patch_size), out_dims=3 * patch_size**2
    ),
    target_generator=dict(patch_size=patch_size),
)
