"""Frozen ViT-B/16 with the attentive probe of CAE: one query over all tokens, batch norm, linear.

In CAE's paper the query only sees the patches: --cfg-options model.neck.0.skip_tokens=1
"""

_base_ = './classifier-linear_vit-base-p16.py'

model = dict(
    backbone=dict(out_type='tokens'),  # after the encoder's norm, the class token among them
    neck=[
        dict(type='AttentiveProbe', embed_dims=768, num_heads=12),
        dict(type='ClsBatchNormNeck', input_features=768, eps=1e-5),
    ],
    head=dict(init_cfg=dict(type='Normal', layer='Linear', std=0.01)),
)
