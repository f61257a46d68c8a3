"""CAE's frozen ViT-B/16 with the linear probe: layer scale, no key bias, fixed positions."""

_base_ = './classifier-linear_vit-base-p16.py'

model = dict(
    backbone=dict(
        pos_embed='sincos_yx',
        qkv_bias='no-key',
        layer_scale_init=0.1,
        init_cfg=dict(checkpoint='checkpoints/cae_base_1600ep.pth'),
    ),
)
