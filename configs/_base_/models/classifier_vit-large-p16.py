"""ViT-L/16 with MAE's head for fine-tuning."""

_base_ = './classifier_vit-base-p16.py'

model = dict(backbone=dict(arch='large'), head=dict(in_channels=1024))
