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
    '../_base_/schedules/demo_finetune_600i.py',
    '../_base_/mmseg_runtime.py',
]

crop_size = (64, 64)  # pixels
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

optim_wrapper = dict(optimizer=dict(weight_decay=0.05))
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=150, max_keep_ckpts=1))
