"""IcarusWizard/MAE for pictures of 32 pixels (model.py): ViT-T/2, 256 patches, decoder of 4 blocks.

It differs from MAE in: learned positions, none for the class token in the encoder; no bias of
query, key and value; norms with epsilon 1e-5; a decoder as wide as the encoder, without input layer
and final norm; plain pixels as target, channel after channel; and PyTorch's initialization of
linear layers.
"""

img_size = 32  # pixels
patch_size = 2  # pixels

model = dict(
    type='MaskedAutoencoder',
    data_preprocessor=dict(
        type='SelfSupDataPreprocessor',
        mean=[127.5, 127.5, 127.5],
        std=[127.5, 127.5, 127.5],
        to_rgb=False,  # SmallImages gives RGB
    ),
    backbone=dict(
        type='PlainViT',
        arch='tiny',
        img_size=img_size,
        patch_size=patch_size,
        pos_embed='learned',
        cls_pos_embed=False,
        qkv_bias=False,
        norm_eps=1e-5,
        linear_init='torch',
    ),
    neck=dict(
        type='MAEDecoder',
        encoder_dims=192,
        grid=(img_size // patch_size, img_size // patch_size),
        out_dims=3 * patch_size**2,
        embed_dims=192,
        num_layers=4,
        num_heads=3,
        pos_order='learned',
        norm_eps=1e-5,
        qkv_bias=False,
        input_layer=False,
        final_norm=False,
    ),
    target_generator=dict(
        type='PixelTarget', patch_size=patch_size, norm_pix=False, channel_first=True
    ),
    head=dict(type='MaskedPatchLoss'),
    mask_ratio=0.75,
    linear_init='torch',
    skip_first_hidden=False,  # True: the released off-by-one, 191 of 192 patches
)
