"""UperNet on a plain ViT-B/16, as in BEiT and MAE (He et al. 2021, A.4)."""

img_size = (512, 512)  # (height, width), pixels
norm_cfg = dict(type='SyncBN', requires_grad=True)

model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        size=img_size,  # in training; smaller crops are padded
        pad_val=0,
        seg_pad_val=255,
    ),
    backbone=dict(
        type='PlainViT',
        arch='base',
        img_size=img_size,
        patch_size=16,
        pos_embed='learned',
        out_indices=(3, 5, 7, 11),
        final_norm=False,
    ),
    neck=dict(type='RescaledPyramid', embed_dims=768, norm_cfg=norm_cfg),
    decode_head=dict(
        type='UPerHead',
        in_channels=[768, 768, 768, 768],
        in_index=[0, 1, 2, 3],
        pool_scales=(1, 2, 3, 6),
        channels=768,
        dropout_ratio=0.1,
        num_classes=150,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
    ),
    auxiliary_head=dict(
        type='FCNHead',
        in_channels=768,
        in_index=2,
        channels=256,
        num_convs=1,
        concat_input=False,
        dropout_ratio=0.1,
        num_classes=150,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=0.4),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='slide', crop_size=img_size, stride=(341, 341)),
)
