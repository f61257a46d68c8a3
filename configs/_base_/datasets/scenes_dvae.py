"""The embedded scenes without labels for a tokenizer, at half the encoder's size."""

_base_ = './scenes_unlabelled.py'

view_size = 32  # pixels: 8 x 8 codes

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='RandomResizedCrop',
        scale=view_size,
        crop_ratio_range=(0.47, 1.0),  # of the area, as the demo's encoders see
        aspect_ratio_range=(0.9, 1.1),
        interpolation='area',
    ),
    dict(type='PackInputs'),
]

train_dataloader = dict(batch_size=64, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=50,
    num_workers=1,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='CustomDataset',
        data_root='data/demo-scenes/images/validation',
        with_label=False,
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='Resize', scale=view_size, interpolation='area'),
            dict(type='PackInputs'),
        ],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='TokenizerMetric', num_codes=128)
test_evaluator = val_evaluator
