"""The embedded scenes without labels for CAE: one random crop at two sizes."""

_base_ = './scenes_unlabelled.py'

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='TwoSizeCrop',
        scale=64,
        second_scale=32,
        crop_ratio_range=(0.47, 1.0),  # of the area: 44 to 64 pixels
        aspect_ratio_range=(0.9, 1.1),
    ),
    dict(type='PackInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
