"""MAE's pre-training (He et al. 2021, Table 8), 800 epochs with a batch of 4096.

float16 is the precision of MAE's PyTorch code; --cfg-options optim_wrapper.dtype=bfloat16 for a
CPU, or a GPU that supports it.
"""

optim_wrapper = dict(
    type='AutocastOptimWrapper',
    dtype='float16',
    optimizer=dict(
        type='AdamW', lr=1.5e-4 * 4096 / 256, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.05
    ),
    constructor='LayerDecayOptimWrapperConstructor',
    # No layer decay. Class and mask token are 3-D and decayed, as in MAE's code.
    paramwise_cfg=dict(no_decay=('1d', 'bias')),
)
param_scheduler = [
    # The first step of epoch 40 is the first at the full rate.
    dict(
        type='LinearWarmupLR',
        start_factor=0.0,
        by_epoch=True,
        begin=0,
        end=40,
        convert_to_iter_based=True,
    ),
    # The half cosine takes all epochs after the warm-up (T_max = end - begin).
    dict(
        type='CosineAnnealingLR',
        eta_min=0.0,
        by_epoch=True,
        begin=40,
        end=800,
        convert_to_iter_based=True,
    ),
]
train_cfg = dict(type='AccumulatingEpochTrainLoop', max_epochs=800)
auto_scale_lr = dict(base_batch_size=4096, enable=False)
