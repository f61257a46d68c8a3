"""The embedded scenes without labels for MAE: a random crop, no flip (it would spoil digits)."""

_base_ = './scenes_unlabelled.py'

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='RandomResizedCrop',
        scale=64,
        crop_ratio_range=(0.47, 1.0),  # of the area: 44 to 64 pixels
        aspect_ratio_range=(0.9, 1.1),
    ),
    dict(type='PackInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
