"""Frozen ViT-B/16 with the linear probe of MAE: class token, batch norm without weights, linear.

A probe needs a pre-trained encoder: MAE's released one, where the recipe names no other.
"""

model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(
        type='ClsDataPreprocessor',
        num_classes=1000,
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        to_rgb=True,
    ),
    backbone=dict(
        type='PlainViT',
        arch='base',
        img_size=224,
        patch_size=16,
        pos_embed='learned',  # the file's, frozen with the rest
        out_type='cls',  # after the encoder's norm
        trainable_blocks=0,
        init_cfg=dict(type='PretrainedViT', checkpoint='checkpoints/mae_pretrain_vit_base.pth'),
    ),
    neck=dict(type='ClsBatchNormNeck', input_features=768, eps=1e-6),
    head=dict(
        type='LinearClsHead',
        in_channels=768,
        num_classes=1000,
        loss=dict(type='CrossEntropyLoss'),
        init_cfg=dict(type='TruncNormal', layer='Linear', std=0.01),
    ),
)
