"""ImageNet-1K for a tokenizer: CAE's crop and flip, at the 112 pixels at which tokens are taken.

Your own pictures, in any folders:
--cfg-options data.root=FOLDER data.train_img=SUBFOLDER data.val_img=SUBFOLDER
"""

view_size = 112  # pixels: 14 x 14 codes

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='RandomResizedCrop',
        scale=view_size,
        crop_ratio_range=(0.08, 1.0),  # of the area
        backend='pillow',
        interpolation='lanczos',
    ),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizeEdge', scale=128, edge='short', backend='pillow', interpolation='lanczos'),
    dict(type='CenterCrop', crop_size=view_size),
    dict(type='PackInputs'),
]

train_dataloader = dict(
    batch_size=64,
    num_workers=8,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='ImageNet', data_root='data/imagenet', split='train', pipeline=train_pipeline
    ),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
    dataset=dict(type='ImageNet', data_root='data/imagenet', split='val', pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='TokenizerMetric', num_codes=8192)
test_evaluator = val_evaluator
