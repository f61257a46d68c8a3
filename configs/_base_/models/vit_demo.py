"""The demo's encoder: small enough to pre-train on two cores in minutes.

Half the depth of ViT-T at its width, and patches of 8 pixels, so that an object of 36 to 88 pixels
is several patches wide on a picture of 128 pixels.
"""

encoder = dict(
    type='PlainViT',
    arch=dict(embed_dims=192, num_layers=6, num_heads=3),
    patch_size=8,
    pos_embed='sincos_xy',
)
