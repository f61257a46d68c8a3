"""Demo, journey 2: the pre-trained encoder inside UperNet, on few labelled scenes.

The parts of the MAE recipe at a size for two cores: outputs of four blocks, rescaled; 32 channels
instead of 768; batch norm instead of SyncBN. Without --pretrained it trains from random weights.
The ten digits are one class here, by the label map: minutes are enough to learn where digits are,
not to tell ten apart pixel by pixel.

    tools/train.py configs/demo/upernet_vit-demo-p8_mae-pre_1xb8-600i_scenes-64x64.py \
        --pretrained work_dirs/demo/seed-0/pretrain
"""

_base_ = [
    '../_base_/models/upernet_vit-base-p16.py',
    '../_base_/models/vit_demo.py',
    '../_base_/mmseg_runtime.py',
]

crop_size = (64, 64)  # pixels
max_iters = 600
channels = 32
norm_cfg = dict(type='BN', requires_grad=True)

model = dict(
    data_preprocessor=dict(size=crop_size),
    backbone={
        '_delete_': True,
        **_base_.encoder,
        'freeze_pos_embed': False,
        'drop_path_rate': 0.1,
        'out_indices': (1, 2, 3, 5),
        'final_norm': True,
    },
    neck=dict(_delete_=True, type='RescaledPyramid', embed_dims=128, norm_cfg=norm_cfg),
    decode_head=dict(
        in_channels=[128] * 4,
        channels=channels,
        num_classes=2,
        norm_cfg=norm_cfg,
    ),
    auxiliary_head=dict(
        in_channels=128,
        channels=channels,
        num_classes=2,
        norm_cfg=norm_cfg,
    ),
    test_cfg=dict(crop_size=crop_size, stride=(42, 42)),  # larger pictures window by window
)

classes = ('background', 'digit')
palette = [[0, 0, 0], [230, 25, 75]]
map_labels = dict(type='MapLabels', label_map={0: 0, **{digit: 1 for digit in range(1, 11)}})
dataset = dict(
    type='BaseSegDataset',
    data_root='data/demo-scenes',
    img_suffix='.png',
    seg_map_suffix='.png',
    metainfo=dict(classes=classes, palette=palette),
    reduce_zero_label=False,
)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    map_labels,
    dict(type='RandomResize', scale=crop_size, ratio_range=(0.8, 1.5), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=crop_size, keep_ratio=True),
    dict(type='LoadAnnotations'),
    map_labels,
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        **dataset,
        data_prefix=dict(img_path='images/training', seg_map_path='annotations/training'),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=1,
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

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05),
    clip_grad=dict(max_norm=1.0),
    constructor='LayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(layer_decay_rate=0.9, no_decay=('1d', 'bias', 'pos_embed', 'cls_token')),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=30),
    dict(type='CosineAnnealingLR', eta_min=0.0, by_epoch=False, begin=30, end=max_iters),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=max_iters)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
auto_scale_lr = dict(base_batch_size=8, enable=False)

log_processor = dict(by_epoch=False)
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=max_iters // 4, max_keep_ckpts=1))
