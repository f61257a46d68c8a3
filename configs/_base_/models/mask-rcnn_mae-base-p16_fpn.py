"""Mask R-CNN on four block outputs of ViT-B/16 that starts from MAE's released weights."""

_base_ = './mask-rcnn_vit-base-p16_fpn.py'

model = dict(
    backbone=dict(
        init_cfg=dict(type='PretrainedViT', checkpoint='checkpoints/mae_pretrain_vit_base.pth'),
    )
)
