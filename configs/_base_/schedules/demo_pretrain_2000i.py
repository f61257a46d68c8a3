"""The demo's pre-training: 2000 iterations with a batch of 32. Betas are the config's."""

max_iters = 2000

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05),
    constructor='LayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(no_decay=('1d', 'bias')),
)
param_scheduler = [
    dict(type='LinearWarmupLR', start_factor=1e-3, by_epoch=False, begin=0, end=max_iters // 20),
    dict(
        type='CosineAnnealingLR', eta_min=0.0, by_epoch=False, begin=max_iters // 20, end=max_iters
    ),
]
train_cfg = dict(type='AccumulatingIterTrainLoop', max_iters=max_iters)
log_processor = dict(by_epoch=False)
auto_scale_lr = dict(base_batch_size=32, enable=False)
