"""ViT-B/16 as CAE fine-tunes it: layer scale, no key bias, a table of relative position per block.

``fc_norm`` starts from the encoder's final norm: ``fc_norm='norm'`` in the recipe's ``init_cfg``.
"""

_base_ = './classifier_vit-base-p16.py'

model = dict(
    backbone=dict(
        pos_embed='sincos_yx',  # fixed, as in pre-training
        qkv_bias='no-key',
        layer_scale_init=0.1,
        rel_pos='table',  # starts at zero
    ),
)
