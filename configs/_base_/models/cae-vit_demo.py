"""The demo's encoder in CAE's form: layer scale, no key bias, positions with the row first."""

encoder = dict(
    type='PlainViT',
    arch=dict(embed_dims=128, num_layers=6, num_heads=4),
    img_size=64,
    patch_size=8,
    pos_embed='sincos_yx',
    qkv_bias='no-key',
    layer_scale_init=0.1,
)
