"""DALL-E's optimizer for a tokenizer, 250,000 steps with a batch of 512, without warm-up.

Mixed precision with float16; --cfg-options optim_wrapper.dtype=bfloat16 for a CPU, or a GPU that
supports it.
"""

max_iters = 250_000  # about 100 epochs of 1,281,167 pictures in batches of 512

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
train_cfg = dict(type='AccumulatingIterTrainLoop', max_iters=max_iters, val_interval=10_000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
log_processor = dict(by_epoch=False)
auto_scale_lr = dict(base_batch_size=512, enable=False)
