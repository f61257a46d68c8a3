import torch
from mmengine.registry import MODELS
from torch import nn

from mae_transfer.checkpoints.files.pretraining_metadata import pretraining_metadata

SMALL = dict(embed_dims=32, num_layers=1, num_heads=2)
STATISTICS = dict(mean=[1.5, 2.0, 3.0], std=[4.0, 5.0, 6.0])


def build(**parts: object) -> nn.Module:
    """A small pre-training model of these parts."""
    import mae_transfer.pretrain  # noqa: F401

    cfg = dict(
        data_preprocessor=dict(type='SelfSupDataPreprocessor', **STATISTICS),
        backbone=dict(type='PlainViT', arch=SMALL, img_size=32),
        **parts,
    )
    with MODELS.switch_scope_and_registry('mmpretrain') as registry:
        return registry.build(cfg)


def test_pretraining_metadata__of_a_masked_autoencoder():
    model = build(
        type='MaskedAutoencoder',
        neck=dict(type='MAEDecoder', encoder_dims=32, grid=(2, 2), out_dims=768, **SMALL),
        head=dict(type='MaskedPatchLoss'),
        target_generator=dict(type='PixelTarget', norm_pix=False),
        mask_ratio=0.6,
    )
    assert pretraining_metadata(model) == dict(
        norm_pix=False,
        masking='RandomMasking',
        mask_ratio=0.6,
        decoder_num_heads=2,
        **STATISTICS,
    )


def test_pretraining_metadata__of_a_context_autoencoder():
    neck = dict(encoder_dims=32, grid=(2, 2), out_dims=768, embed_dims=32, num_heads=2)
    model = build(
        type='ContextAutoencoder',
        neck=dict(type='ContextNeck', regressor_layers=1, decoder_layers=1, **neck),
        head=dict(type='ContextLoss', reconstruction=dict(type='MaskedPatchLoss')),
        target_generator=dict(type='PixelTarget', norm_pix=True),
        mask_ratio=0.5,
    )
    assert pretraining_metadata(model) == dict(
        norm_pix=True, masking='BlockMasking', mask_ratio=0.5, **STATISTICS
    )


def test_pretraining_metadata__of_anything_else():
    assert pretraining_metadata(torch.nn.Linear(1, 1)) == {}
