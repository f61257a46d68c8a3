"""A thousand pictures of 32 pixels, with random crops and flips: training part only.

Pictures as `train/<class>/*.png`, elsewhere: --cfg-options data.root=FOLDER
"""

train_pipeline = [  # SmallImages loads
    dict(type='RandomCrop', crop_size=32, padding=4),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackInputs'),
]

train_dataloader = dict(
    batch_size=64,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='SmallImages',
        data_root='data/cifar-mini',
        data_prefix='train',
        pipeline=train_pipeline,
    ),
)
