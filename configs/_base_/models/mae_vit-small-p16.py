"""MAE with a ViT-S/16 encoder and a decoder of 8 x 256 (CrossMAE's code; not in MAE's)."""

_base_ = './mae_vit-base-p16.py'

model = dict(
    backbone=dict(arch='small'),
    neck=dict(encoder_dims=384, embed_dims=256, num_heads=8),
)
