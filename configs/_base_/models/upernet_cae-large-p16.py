"""UperNet on CAE's ViT-L/16, whose layer scale starts at 1e-5."""

_base_ = './upernet_vit-large-p16.py'

model = dict(
    backbone=dict(pos_embed='sincos_yx', qkv_bias='no-key', layer_scale_init=1e-5, rel_pos='table')
)
