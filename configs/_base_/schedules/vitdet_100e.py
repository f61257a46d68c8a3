"""ViTDet's schedule on COCO, 100 epochs with a batch of 64.

Learning rate and layer decay are the recipe's.

float16 is the precision of Detectron2's configs; --cfg-options optim_wrapper.dtype=bfloat16 for a
CPU, or a GPU that supports it.
"""

max_iters = 184375  # 100 epochs of 118,000 images in batches of 64

optim_wrapper = dict(
    type='AutocastOptimWrapper',
    dtype='float16',
    optimizer=dict(type='AdamW', betas=(0.9, 0.999), weight_decay=0.1),
    constructor='LayerDecayOptimWrapperConstructor',
    # Biases, relative positions and the channel norms of pyramid and heads are decayed.
    paramwise_cfg=dict(no_decay=('norm', 'pos_embed')),
)
param_scheduler = [
    dict(type='LinearWarmupLR', start_factor=0.001, by_epoch=False, begin=0, end=250),
    dict(
        type='MultiStepLR',
        gamma=0.1,
        by_epoch=False,
        begin=0,
        end=max_iters,
        milestones=[163889, 177546],
    ),
]
train_cfg = dict(type='AccumulatingIterTrainLoop', max_iters=max_iters, val_interval=5000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
auto_scale_lr = dict(base_batch_size=64, enable=False)
