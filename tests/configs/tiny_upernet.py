"""UperNet with a ViT of four narrow blocks, for tests: two iterations, then evaluation."""

custom_imports = dict(imports=['mae_transfer'], allow_failed_imports=False)
default_scope = 'mmseg'

loss = dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0)
norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        size=(48, 64),
    ),
    backbone=dict(
        type='PlainViT',
        arch=dict(embed_dims=32, num_layers=4, num_heads=2, mlp_ratio=2),
        img_size=(48, 64),
        patch_size=16,
        out_indices=(0, 1, 2, 3),
    ),
    neck=dict(type='RescaledPyramid', embed_dims=32, norm_cfg=dict(type='BN')),
    decode_head=dict(
        type='UPerHead',
        in_channels=[32, 32, 32, 32],
        in_index=[0, 1, 2, 3],
        pool_scales=(1, 2),
        channels=16,
        num_classes=150,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=loss,
    ),
    auxiliary_head=dict(
        type='FCNHead',
        in_channels=32,
        in_index=2,
        channels=16,
        num_convs=1,
        concat_input=False,
        num_classes=150,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=loss,
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)

map_labels = dict(type='MapLabels', num_classes=150, ignore_labels=[0])
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    map_labels,
    dict(type='Resize', scale=(64, 48), keep_ratio=False),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(64, 48), keep_ratio=False),
    dict(type='LoadAnnotations'),
    map_labels,
    dict(type='PackSegInputs'),
]
dataset = dict(
    type='ADE20KDataset', data_root='data/ade/ADEChallengeData2016', reduce_zero_label=False
)
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        **dataset,
        data_prefix=dict(img_path='images/training', seg_map_path='annotations/training'),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        **dataset,
        data_prefix=dict(img_path='images/validation', seg_map_path='annotations/validation'),
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator

train_cfg = dict(type='AccumulatingIterTrainLoop', max_iters=2, val_interval=2)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-4, weight_decay=0.05))
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=1),
    checkpoint=dict(type='AtomicCheckpointHook', by_epoch=False, interval=1),
)
custom_hooks = [dict(type='LoadAccountHook')]
log_processor = dict(by_epoch=False)
randomness = dict(seed=0)
auto_scale_lr = dict(enable=False, base_batch_size=16)
