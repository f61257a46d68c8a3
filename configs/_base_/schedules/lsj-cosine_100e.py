"""Schedule of the benchmark on COCO (arXiv 2111.11429, 2.4), 100 epochs with a batch of 64.

Linear warm-up in the first quarter of an epoch, half a cosine to 0, no layer decay. The cosine
starts in step 0, and the warm-up rises to its value, as in MIMDet, the public code of this
benchmark. Learning rate and weight decay are those of MAE and BEiT; others are better for MoCo v3
and random weights.
"""

max_iters = 184375  # 100 epochs of 118,000 images in batches of 64

optim_wrapper = dict(
    type='AutocastOptimWrapper',
    dtype='float16',
    optimizer=dict(type='AdamW', lr=8e-5, betas=(0.9, 0.999), weight_decay=0.1),
    constructor='LayerDecayOptimWrapperConstructor',
    # The paper does not say; these are MIMDet's.
    paramwise_cfg=dict(no_decay=('norm', 'pos_embed', 'relative_position_bias_table')),
)
param_scheduler = [
    dict(
        type='WarmupUnderCosineLR',
        start_factor=0.001,
        warmup=max_iters * 0.25 / 100,  # 460.9375: between two steps
        end=max_iters,
        by_epoch=False,
    )
]
train_cfg = dict(type='AccumulatingIterTrainLoop', max_iters=max_iters, val_interval=5000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
auto_scale_lr = dict(base_batch_size=64, enable=False)
