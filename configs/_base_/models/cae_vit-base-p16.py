"""CAE with a ViT-B/16 encoder, 4 + 4 blocks of regressor and decoder, and DALL-E's tokens.

Sizes and settings are those that CAE's released code uses in effect (modeling_cae.py,
run_pretraining.py): regressor and decoder are 768 wide with 12 heads and a layer scale of .1 for
every encoder.
"""

img_size = 224  # pixels
patch_size = 16  # pixels

model = dict(
    type='ContextAutoencoder',
    data_preprocessor=dict(
        type='TwoNormDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        # The tokenizer's view in DALL-E's range: (1 - 2 * .1) x + .1 of pixels x in [0, 1].
        second_mean=[-31.875, -31.875, -31.875],
        second_std=[318.75, 318.75, 318.75],
        to_rgb=True,
    ),
    backbone=dict(
        type='PlainViT',
        arch='base',
        img_size=img_size,
        patch_size=patch_size,
        pos_embed='sincos_yx',  # fixed; MAE has the axes in the other order
        qkv_bias='no-key',
        layer_scale_init=0.1,
        drop_path_rate=0.1,
    ),
    neck=dict(
        type='ContextNeck',
        encoder_dims=768,
        grid=(img_size // patch_size, img_size // patch_size),
        out_dims=8192,  # tokens
        embed_dims=768,
        regressor_layers=4,
        decoder_layers=4,
        num_heads=12,
        layer_scale_init=0.1,
        drop_path_rate=0.1,
    ),
    target_generator=dict(
        type='TokenTarget',
        tokenizer=dict(type='DALL-E'),
        checkpoint='work_dirs/dalle_encoder.pth',
    ),
    head=dict(type='ContextLoss', reconstruction=dict(type='TokenLoss'), align_weight=2.0),
    mask_ratio=0.5,  # 98 of 196
    masking=dict(type='BlockMasking', min_block=16),
)
