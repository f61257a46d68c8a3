"""ViT-B/16 with MAE's head for fine-tuning: mean of the patches, fresh norm, linear layer."""

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
        pos_embed='learned',  # MAE's fixed table is the start, and is trained
        out_type='avg',  # fc_norm starts at 1 and 0, not from the encoder's norm
    ),
    neck=None,
    head=dict(
        type='LinearClsHead',
        in_channels=768,
        num_classes=1000,
        loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1, mode='original'),
        init_cfg=dict(type='TruncNormal', layer='Linear', std=2e-5),
    ),
    # Each batch gets one of the two, with the same chance.
    train_cfg=dict(
        augments=[dict(type='FlippedMixup', alpha=0.8), dict(type='FlippedCutMix', alpha=1.0)]
    ),
)
