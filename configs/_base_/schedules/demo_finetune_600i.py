"""The demo's fine-tuning: 600 iterations with a batch of 8. The weight decay is the config's."""

max_iters = 600

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3),
    clip_grad=dict(max_norm=1.0),
    constructor='LayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(layer_decay_rate=0.9, no_decay=('1d', 'bias', 'pos_embed', 'cls_token')),
)
param_scheduler = [
    dict(type='LinearWarmupLR', start_factor=1e-3, by_epoch=False, begin=0, end=30),
    dict(type='CosineAnnealingLR', eta_min=0.0, by_epoch=False, begin=30, end=max_iters),
]
train_cfg = dict(type='AccumulatingIterTrainLoop', max_iters=max_iters, val_interval=max_iters)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
log_processor = dict(by_epoch=False)
auto_scale_lr = dict(base_batch_size=8, enable=False)
