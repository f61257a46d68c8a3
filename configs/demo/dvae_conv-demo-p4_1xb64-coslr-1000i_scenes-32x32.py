"""Demo, journey 1: a small discrete VAE on unlabelled scenes, the tokenizer of the demo's CAE.

The anneals of DALL-E's appendix A.2, shortened; a squared error in place of its likelihood.

    tools/train.py configs/demo/dvae_conv-demo-p4_1xb64-coslr-1000i_scenes-32x32.py

`make demo-cae` makes the data and runs this first. Held-out scenes: tools/test.py with this config
and the checkpoint.
"""

_base_ = [
    '../_base_/models/dvae_conv-demo-p4.py',
    '../_base_/datasets/scenes_unlabelled.py',
    '../_base_/mmpretrain_runtime.py',
]

custom_imports = dict(imports=['mae_transfer.pretrain'], allow_failed_imports=False)

view_size = 32  # pixels: 8 x 8 codes
max_iters = 1000

model = _base_.tokenizer

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

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, betas=(0.9, 0.999), weight_decay=1e-4),
    constructor='LayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(no_decay=()),
)
param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0.0, by_epoch=False, begin=0, end=max_iters)
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=max_iters)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
auto_scale_lr = dict(base_batch_size=64, enable=False)

log_processor = dict(by_epoch=False)
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=max_iters // 4, max_keep_ckpts=1))
custom_hooks = [
    dict(type='AnnealHook', name='temperature', start=1.0, end=1 / 16, length=max_iters * 3 // 4),
    dict(type='AnnealHook', name='kl_weight', start=0.0, end=0.5, length=max_iters // 4),
    dict(type='TokenizerReconstructionHook', num_images=8, interval=max_iters // 4),
]
