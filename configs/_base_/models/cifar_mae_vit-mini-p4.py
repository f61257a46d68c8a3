"""Small MAE for pictures of 32 pixels: 4 blocks of width 128, 64 patches, decoder of 2 blocks.

Unlike the model that it follows: a decoder of another width, with an input layer and a final norm,
and normalized pixels as target.
"""

_base_ = './cifar_mae_vit-tiny-p2.py'

patch_size = 4  # pixels

model = dict(
    backbone=dict(
        arch=dict(_delete_=True, embed_dims=128, num_layers=4, num_heads=4),
        patch_size=patch_size,
    ),
    neck=dict(
        encoder_dims=128,
        grid=(32 // patch_size, 32 // patch_size),
        out_dims=3 * patch_size**2,
        embed_dims=64,
        num_layers=2,
        num_heads=4,
        input_layer=True,
        final_norm=True,
    ),
    target_generator=dict(patch_size=patch_size, norm_pix=True),
)
