"""Mask R-CNN on four block outputs of a plain ViT-L/16 (arXiv 2111.11429, sec. 2)."""

_base_ = './mask-rcnn_vit-base-p16_fpn.py'

model = dict(
    backbone=dict(
        arch='large', global_blocks=(5, 11, 17, 23), out_indices=(5, 11, 17, 23), drop_path_rate=0.3
    ),
    neck=[
        dict(
            type='RescaledPyramid',
            embed_dims=1024,
            norm_cfg=dict(type='GN', num_groups=32),
            init_cfg=dict(type='TruncNormal', layer='ConvTranspose2d', std=4096**-0.5 / 0.8796),
        ),
        dict(
            type='FPN',
            in_channels=[1024] * 4,
            out_channels=256,
            num_outs=5,
            norm_cfg=_base_.norm_cfg,
            init_cfg=dict(type='Caffe2Xavier', layer='Conv2d'),
        ),
    ],
)
