"""UperNet on CAE's ViT-B/16: layer scale, no key bias, fixed positions, tables of relative ones."""

_base_ = './upernet_vit-base-p16.py'

model = dict(
    backbone=dict(pos_embed='sincos_yx', qkv_bias='no-key', layer_scale_init=0.1, rel_pos='table')
)
