"""ViT-H/14 with MAE's head for fine-tuning."""

_base_ = './classifier_vit-base-p16.py'

model = dict(backbone=dict(arch='huge', patch_size=14), head=dict(in_channels=1280))
