"""Small classifier for pictures of 32 pixels: 4 blocks of width 128, 64 patches."""

_base_ = './cifar_classifier_vit-tiny-p2.py'

model = dict(
    backbone=dict(
        arch=dict(_delete_=True, embed_dims=128, num_layers=4, num_heads=4), patch_size=4
    ),
    head=dict(in_channels=128),
)
