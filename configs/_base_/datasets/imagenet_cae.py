"""ImageNet-1K without labels for CAE: a flip, and one crop at two sizes (CAE's code, datasets.py).

Your own pictures, in any folders: --cfg-options data.root=FOLDER data.train_img=SUBFOLDER
"""

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomFlip', prob=0.5),  # the same for both views
    dict(
        type='TwoSizeCrop',
        scale=224,
        second_scale=112,  # 14 x 14 tokens of 8 pixels
        crop_ratio_range=(0.08, 1.0),  # of the area
        interpolation='bicubic',
        second_interpolation='lanczos',
    ),
    dict(type='PackInputs'),
]

train_dataloader = dict(
    batch_size=256,
    num_workers=10,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='ImageNet', data_root='data/imagenet', split='train', pipeline=train_pipeline
    ),
)
