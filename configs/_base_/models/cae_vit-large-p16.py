"""CAE with a ViT-L/16 encoder as its script runs; a projection maps width 1024 to 768.

cae_large_1600e.sh lacks a backslash before its last lines, so --decoder_embed_dim 1024 is not read.
The layer scale of regressor and decoder is .1, since the code does not read that option either.
"""

_base_ = './cae_vit-base-p16.py'

model = dict(
    backbone=dict(arch='large', layer_scale_init=1e-5),
    neck=dict(encoder_dims=1024),
)
