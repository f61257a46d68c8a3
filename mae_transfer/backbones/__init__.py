"""Encoders: tokens in pre-training, feature maps in tasks."""

from mae_transfer.backbones.plain_vit import PlainViT

__all__ = ['PlainViT']
