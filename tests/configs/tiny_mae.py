"""MAE with an encoder of two narrow blocks, for tests of the tools: two iterations."""

custom_imports = dict(imports=['mae_transfer.pretrain'], allow_failed_imports=False)
default_scope = 'mmpretrain'

model = dict(
    type='MaskedAutoencoder',
    data_preprocessor=dict(
        type='SelfSupDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        to_rgb=True,
    ),
    backbone=dict(
        type='PlainViT',
        arch=dict(embed_dims=32, num_layers=2, num_heads=2, mlp_ratio=2),
        img_size=64,
        patch_size=16,
        pos_embed='sincos_xy',
    ),
    neck=dict(
        type='MAEDecoder',
        encoder_dims=32,
        grid=(4, 4),
        out_dims=16 * 16 * 3,
        embed_dims=16,
        num_layers=1,
        num_heads=2,
    ),
    head=dict(type='MaskedPatchLoss'),
    target_generator=dict(type='PixelTarget', norm_pix=True, patch_size=16),
    mask_ratio=0.75,
)

train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='ImageNet',
        data_root='data/imagenet',
        split='train',
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='RandomResizedCrop', scale=64),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackInputs'),
        ],
    ),
)

train_cfg = dict(type='AccumulatingIterTrainLoop', max_iters=2)
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='AdamW', lr=1.5e-4, weight_decay=0.05)
)
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=1),
    checkpoint=dict(type='AtomicCheckpointHook', by_epoch=False, interval=1),
)
custom_hooks = [dict(type='LoadAccountHook'), dict(type='EncoderMetadataHook')]
log_processor = dict(by_epoch=False)
randomness = dict(seed=0)
