"""Demo, journey 2: the pre-trained encoder inside Mask R-CNN, on few labelled scenes.

The parts of the ViTDet recipe at a size for two cores: simple feature pyramid, channel layer norm,
layer-wise learning-rate decay; 32 channels instead of 256. Without --pretrained it trains from
random weights.

    tools/train.py configs/demo/mask-rcnn_vit-demo-p8_mae-pre_simple-fpn_1xb8-600i_scenes-64x64.py \
        --pretrained work_dirs/demo/seed-0/pretrain
"""

_base_ = [
    'mmdet::_base_/models/mask-rcnn_r50_fpn.py',
    '../_base_/models/vit_demo.py',
    '../_base_/schedules/demo_finetune_600i.py',
    '../_base_/mmdet_runtime.py',
]

img_size = 64  # pixels
channels = 32
norm_cfg = dict(type='ChannelLN', eps=1e-6)

model = dict(
    data_preprocessor=dict(pad_size_divisor=8),
    backbone={
        '_delete_': True,
        **_base_.encoder,
        'freeze_pos_embed': False,
        'drop_path_rate': 0.1,
        'final_norm': True,
    },
    neck=dict(
        _delete_=True,
        type='SimpleFPN',
        in_channels=128,
        out_channels=channels,
        num_outs=5,
        norm_cfg=norm_cfg,
    ),
    rpn_head=dict(
        in_channels=channels,
        feat_channels=channels,
        # Levels have strides of 2 to 32 pixels: anchors of 8 to 128 pixels.
        anchor_generator=dict(scales=[4], strides=[2, 4, 8, 16, 32]),
    ),
    roi_head=dict(
        bbox_roi_extractor=dict(
            out_channels=channels, featmap_strides=[2, 4, 8, 16], finest_scale=14
        ),
        bbox_head=dict(
            type='Shared4Conv1FCBBoxHead',
            in_channels=channels,
            conv_out_channels=channels,
            fc_out_channels=256,
            norm_cfg=norm_cfg,
            num_classes=10,
        ),
        mask_roi_extractor=dict(
            out_channels=channels, featmap_strides=[2, 4, 8, 16], finest_scale=14
        ),
        mask_head=dict(
            num_convs=2,
            in_channels=channels,
            conv_out_channels=channels,
            norm_cfg=norm_cfg,
            num_classes=10,
        ),
    ),
    train_cfg=dict(
        rpn=dict(sampler=dict(num=128)),
        rpn_proposal=dict(nms_pre=300, max_per_img=200),
        rcnn=dict(sampler=dict(num=32)),
    ),
    test_cfg=dict(rpn=dict(nms_pre=300, max_per_img=200)),
)

classes = ('zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine')
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
    dict(
        type='RandomResize',
        scale=(img_size, img_size),
        ratio_range=(0.8, 1.5),
        keep_ratio=True,
    ),
    dict(type='RandomCrop', crop_size=(img_size, img_size)),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(img_size, img_size), keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
    ),
]
train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='CocoDataset',
        data_root='data/demo-scenes',
        ann_file='annotations/instances_train.json',
        data_prefix=dict(img='images/training/'),
        metainfo=dict(classes=classes),
        filter_cfg=dict(filter_empty_gt=True, min_size=8),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=1,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CocoDataset',
        data_root='data/demo-scenes',
        ann_file='annotations/instances_val.json',
        data_prefix=dict(img='images/validation/'),
        metainfo=dict(classes=classes),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(
    type='FasterCocoMetric',
    ann_file='data/demo-scenes/annotations/instances_val.json',
    metric=['bbox', 'segm'],
)
test_evaluator = val_evaluator

optim_wrapper = dict(optimizer=dict(weight_decay=0.1))
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=150, max_keep_ckpts=1))
