"""CAE with a ViT-T/16 encoder of 12 heads; a projection maps width 192 to 768."""

_base_ = './cae_vit-base-p16.py'

model = dict(
    # DeiT's has 3 heads.
    backbone=dict(arch=dict(_delete_=True, embed_dims=192, num_layers=12, num_heads=12)),
    neck=dict(encoder_dims=192),
)
