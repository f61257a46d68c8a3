"""The demo's encoder: small enough to pre-train on two cores in minutes.

Patches of 8 pixels: an object of 28 to 48 pixels on a picture of 64 is several patches wide.
"""

encoder = dict(
    type='PlainViT',
    arch=dict(embed_dims=128, num_layers=6, num_heads=4),
    img_size=64,
    patch_size=8,
    pos_embed='sincos_xy',
)
