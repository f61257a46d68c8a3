"""MAE with a ViT-L/16 encoder and the 8 x 512 decoder."""

_base_ = './mae_vit-base-p16.py'

model = dict(backbone=dict(arch='large'), neck=dict(encoder_dims=1024))
