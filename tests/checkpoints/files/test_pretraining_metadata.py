import torch
from mmengine.registry import MODELS

from mae_transfer.checkpoints.files.pretraining_metadata import pretraining_metadata


def test_pretraining_metadata__of_a_masked_autoencoder():
    import mae_transfer.pretrain  # noqa: F401

    small = dict(embed_dims=32, num_layers=1, num_heads=2)
    cfg = dict(
        type='MaskedAutoencoder',
        data_preprocessor=dict(type='SelfSupDataPreprocessor', mean=[1.5, 2, 3], std=[4, 5, 6]),
        backbone=dict(type='PlainViT', arch=small, img_size=32),
        neck=dict(type='MAEDecoder', encoder_dims=32, grid=(2, 2), out_dims=768, **small),
        head=dict(type='MaskedPatchLoss'),
        target_generator=dict(type='PixelTarget', norm_pix=False),
        mask_ratio=0.6,
    )
    with MODELS.switch_scope_and_registry('mmpretrain') as registry:
        model = registry.build(cfg)
    assert pretraining_metadata(model) == dict(
        norm_pix=False,
        masking='RandomMasking',
        mask_ratio=0.6,
        decoder_num_heads=2,
        mean=[1.5, 2.0, 3.0],
        std=[4.0, 5.0, 6.0],
    )


def test_pretraining_metadata__of_a_context_autoencoder():
    import mae_transfer.pretrain  # noqa: F401

    small = dict(embed_dims=32, num_layers=1, num_heads=2)
    neck = dict(encoder_dims=32, grid=(2, 2), out_dims=768, embed_dims=32, num_heads=2)
    cfg = dict(
        type='ContextAutoencoder',
        data_preprocessor=dict(type='SelfSupDataPreprocessor', mean=[1.5, 2, 3], std=[4, 5, 6]),
        backbone=dict(type='PlainViT', arch=small, img_size=32),
        neck=dict(type='ContextNeck', regressor_layers=1, decoder_layers=1, **neck),
        head=dict(type='ContextLoss', reconstruction=dict(type='MaskedPatchLoss')),
        target_generator=dict(type='PixelTarget', norm_pix=True),
        mask_ratio=0.5,
    )
    with MODELS.switch_scope_and_registry('mmpretrain') as registry:
        model = registry.build(cfg)
    assert pretraining_metadata(model) == dict(
        norm_pix=True,
        masking='BlockMasking',
        mask_ratio=0.5,
        mean=[1.5, 2.0, 3.0],
        std=[4.0, 5.0, 6.0],
    )


def test_pretraining_metadata__of_anything_else():
    assert pretraining_metadata(torch.nn.Linear(1, 1)) == {}
