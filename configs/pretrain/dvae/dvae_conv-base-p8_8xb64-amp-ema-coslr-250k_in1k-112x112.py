"""Discrete VAE of 8192 codes on ImageNet-1K without labels: CAE's own tokenizer.

Source: Ramesh et al. 2021 (DALL-E, arXiv 2102.12092), section 2.1 and appendix A.2 and A.3, for
likelihood, temperature, divergence, optimizer, averaging and batch; BEiT's and CAE's code for the
sizes (8192 codes, 512 wide, 256 hidden, 3 layers of stride 2); Chen et al. 2022 (CAE,
arXiv 2202.03026), for training it on ImageNet-1K.
Expected: not published for this length; DALL-E trained for 3,000,000 steps on its own pictures.
Cost: not known; not run here.

    tools/dist_train.sh \
    configs/pretrain/dvae/dvae_conv-base-p8_8xb64-amp-ema-coslr-250k_in1k-112x112.py 8

Ours: the length of 100 epochs, to which the step size is annealed (DALL-E: 1,200,000 steps), and
the pictures, which are those that CAE's tokenizer will see: its crops, at half the encoder's size.
Tokens come from the averaged weights, which the checkpoint holds as the model's.
"""

_base_ = ['../../_base_/models/dvae_conv-base-p8.py', '../../_base_/mmpretrain_runtime.py']

custom_imports = dict(imports=['mae_transfer.pretrain'], allow_failed_imports=False)

view_size = 112  # pixels: 14 x 14 codes
max_iters = 250_000  # about 100 epochs of 1,281,167 pictures in batches of 512

model = _base_.tokenizer

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

optim_wrapper = dict(
    type='AutocastOptimWrapper',
    dtype='float16',
    optimizer=dict(type='AdamW', lr=1e-4, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-4),
    constructor='LayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(no_decay=()),
)
param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=1.25e-6, by_epoch=False, begin=0, end=max_iters)
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=10_000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
auto_scale_lr = dict(base_batch_size=512, enable=False)

log_processor = dict(by_epoch=False)
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=10_000))
custom_hooks = [
    dict(type='AnnealHook', name='temperature', start=1.0, end=1 / 16, length=150_000),
    dict(type='AnnealHook', name='kl_weight', start=0.0, end=6.6, length=5000),
    dict(type='EMAHook', momentum=1e-3),  # share of the new weights: 1 - .999
    dict(type='TokenizerReconstructionHook', num_images=8, interval=10_000),
]
