"""CAE's pre-training (the scripts of its code), 300 epochs with a batch of 2048.

The learning rate is given directly, not by a scaling rule. Its warm-up takes 10, 20 and 40 epochs
of 300, 800 and 1600. float16 is the precision of CAE's code; --cfg-options
optim_wrapper.dtype=bfloat16 for a CPU, or a GPU that supports it.
"""

optim_wrapper = dict(
    type='AutocastOptimWrapper',
    dtype='float16',
    optimizer=dict(type='AdamW', lr=1.5e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.05),
    clip_grad=dict(max_norm=3.0),
    constructor='LayerDecayOptimWrapperConstructor',
    # No layer decay. Class and mask token are 3-D and decayed, as in CAE's code.
    paramwise_cfg=dict(no_decay=('1d', 'bias')),
)
param_scheduler = [
    # NumPy's linspace from 0 to 1: both the last step of the warm-up and the first of the cosine
    # have the full rate.
    dict(
        type='LinearWarmupLR',
        start_factor=0.0,
        endpoint=True,
        by_epoch=True,
        begin=0,
        end=10,
        convert_to_iter_based=True,
    ),
    # The half cosine takes all epochs after the warm-up (T_max = end - begin), down to 1e-5.
    dict(
        type='CosineAnnealingLR',
        eta_min_ratio=1e-5 / 1.5e-3,
        by_epoch=True,
        begin=10,
        end=300,
        convert_to_iter_based=True,
    ),
]
train_cfg = dict(type='AccumulatingEpochTrainLoop', max_epochs=300)
auto_scale_lr = dict(base_batch_size=2048, enable=False)
