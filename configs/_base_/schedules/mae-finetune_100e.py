"""MAE's fine-tuning on ImageNet-1K, 100 epochs with a batch of 1024.

Learning rate and layer decay are the recipe's.

float16 is the precision of MAE's PyTorch code; --cfg-options optim_wrapper.dtype=bfloat16 for a
CPU, or a GPU that supports it.
"""

optim_wrapper = dict(
    type='AutocastOptimWrapper',
    dtype='float16',
    optimizer=dict(type='AdamW', betas=(0.9, 0.999), weight_decay=0.05),
    constructor='LayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(no_decay=('1d', 'pos_embed', 'cls_token')),
)
param_scheduler = [
    # The first step of epoch 5 is the first at the full rate.
    dict(
        type='LinearWarmupLR',
        start_factor=0.0,
        by_epoch=True,
        begin=0,
        end=5,
        convert_to_iter_based=True,
    ),
    # To 1e-6 at the base lr of 2e-3; a ratio, since each layer's end is scaled as its start is.
    dict(
        type='CosineAnnealingLR',
        eta_min_ratio=1e-6 / 2e-3,
        by_epoch=True,
        begin=5,
        end=100,
        convert_to_iter_based=True,
    ),
]
train_cfg = dict(type='AccumulatingEpochTrainLoop', max_epochs=100, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
auto_scale_lr = dict(base_batch_size=1024, enable=False)
