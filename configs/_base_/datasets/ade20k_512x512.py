"""ADE20K, 150 classes, crops of 512 x 512 pixels (MMSegmentation's pipeline, BEiT's numbers).

Masks contain 0 for 'something else' and 1 to 150 for the classes; MapLabels states this explicitly,
where reduce_zero_label would shift the values silently.

Your own data: --cfg-options data.root=FOLDER data.train_img=... data.train_ann=... data.val_img=...
data.val_ann=... data.classes=NAMES.txt
"""

crop_size = (512, 512)  # (height, width), pixels
map_labels = dict(type='MapLabels', num_classes=150, ignore_labels=[0])

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    map_labels,
    dict(type='RandomResize', scale=(2048, 512), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(2048, 512), keep_ratio=True),
    dict(type='LoadAnnotations'),  # after Resize: masks are compared at their own size
    map_labels,
    dict(type='PackSegInputs'),
]
# Several scales and both mirrorings, averaged: tools/test.py --tta. The ratios are BEiT's; like its
# code, none makes the short side smaller than the crop, so that .5 and .75 count as 1.
ratios = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
tta_model = dict(type='SegTTAModel')
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='TestTimeAug',
        transforms=[
            [
                dict(
                    type='Resize',
                    scale=(int(2048 * max(ratio, 1)), int(512 * max(ratio, 1))),
                    keep_ratio=True,
                )
                for ratio in ratios
            ],
            [dict(type='RandomFlip', prob=0.0), dict(type='RandomFlip', prob=1.0)],
            [dict(type='LoadAnnotations')],
            [map_labels],
            [dict(type='PackSegInputs')],
        ],
    ),
]

train_dataloader = dict(
    batch_size=2,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='ADE20KDataset',
        data_root='data/ade/ADEChallengeData2016',
        data_prefix=dict(img_path='images/training', seg_map_path='annotations/training'),
        reduce_zero_label=False,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ADE20KDataset',
        data_root='data/ade/ADEChallengeData2016',
        data_prefix=dict(img_path='images/validation', seg_map_path='annotations/validation'),
        reduce_zero_label=False,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
