"""CAE with a ViT-S/16 encoder of 12 heads; a projection maps width 384 to 768."""

_base_ = './cae_vit-base-p16.py'

model = dict(
    # DeiT's and MAE's ViT-S has 6 heads; no file states this and no error reports a mismatch.
    backbone=dict(arch=dict(_delete_=True, embed_dims=384, num_layers=12, num_heads=12)),
    neck=dict(encoder_dims=384),
)
