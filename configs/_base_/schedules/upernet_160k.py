"""UperNet's schedule on ADE20K, 160,000 iterations with a batch of 16.

Learning rate and layer decay are the recipe's. The linear decay starts in step 0 and is multiplied
by the warm-up, as in the code of BEiT and CAE (mmcv 1.x).

float16 is the precision of that code; --cfg-options optim_wrapper.dtype=bfloat16 for a CPU, or a
GPU that supports it.
"""

max_iters = 160000

optim_wrapper = dict(
    type='AutocastOptimWrapper',
    dtype='float16',
    optimizer=dict(type='AdamW', betas=(0.9, 0.999), weight_decay=0.05),
    constructor='LayerDecayOptimWrapperConstructor',
    # The released code intends this too, but compares full names and so decays the last two.
    paramwise_cfg=dict(no_decay=('1d', 'bias', 'pos_embed', 'cls_token')),
)
param_scheduler = [
    dict(type='LinearWarmupLR', start_factor=1e-6, by_epoch=False, begin=0, end=1500),
    # PolyLR reaches 0 in step `end` - 1: here the first step after the run.
    dict(type='PolyLR', power=1.0, eta_min=0.0, by_epoch=False, begin=0, end=max_iters + 1),
]
train_cfg = dict(type='AccumulatingIterTrainLoop', max_iters=max_iters, val_interval=16000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
auto_scale_lr = dict(base_batch_size=16, enable=False)
