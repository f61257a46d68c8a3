"""MAE with a ViT-B/16 encoder and the 8 x 512 decoder (He et al. 2021, sections 3 and A.1)."""

img_size = 224  # pixels
patch_size = 16  # pixels

model = dict(
    type='MaskedAutoencoder',
    data_preprocessor=dict(
        type='SelfSupDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        to_rgb=True,
    ),
    backbone=dict(
        type='PlainViT',
        arch='base',
        img_size=img_size,
        patch_size=patch_size,
        pos_embed='sincos_xy',  # fixed; MMPretrain's own MAE has the axes in the other order
    ),
    neck=dict(
        type='MAEDecoder',
        encoder_dims=768,
        grid=(img_size // patch_size, img_size // patch_size),
        out_dims=3 * patch_size**2,
        embed_dims=512,
        num_layers=8,
        num_heads=16,
        pos_order='xy',
    ),
    target_generator=dict(type='PixelTarget', patch_size=patch_size, norm_pix=True),
    head=dict(type='MaskedPatchLoss'),
    mask_ratio=0.75,
)
