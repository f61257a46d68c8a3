"""Encoders, which give tokens in pre-training and feature maps in tasks."""

from mae_transfer.backbones.plain_vit import PlainViT
from mae_transfer.backbones.timm_vit import TimmViT

__all__ = ['PlainViT', 'TimmViT']
