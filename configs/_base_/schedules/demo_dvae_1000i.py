"""The demo's tokenizer: 1000 iterations with a batch of 64, without warm-up."""

max_iters = 1000

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, betas=(0.9, 0.999), weight_decay=1e-4),
    constructor='LayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(no_decay=()),
)
param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0.0, by_epoch=False, begin=0, end=max_iters)
]
train_cfg = dict(type='AccumulatingIterTrainLoop', max_iters=max_iters, val_interval=max_iters)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
log_processor = dict(by_epoch=False)
auto_scale_lr = dict(base_batch_size=64, enable=False)
