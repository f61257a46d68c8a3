"""UperNet on a plain ViT-L/16."""

_base_ = './upernet_vit-base-p16.py'

model = dict(
    backbone=dict(arch='large', out_indices=(7, 11, 15, 23)),
    neck=dict(embed_dims=1024),
    decode_head=dict(in_channels=[1024] * 4, channels=1024),
    auxiliary_head=dict(in_channels=1024),
)
