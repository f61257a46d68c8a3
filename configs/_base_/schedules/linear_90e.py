"""MAE's and CAE's linear probe (He et al. 2021, Table 10), 90 epochs with a batch of 16384.

float16 is the precision of MAE's PyTorch code; --cfg-options optim_wrapper.dtype=bfloat16 for a
CPU, or a GPU that supports it.
"""

optim_wrapper = dict(
    type='AutocastOptimWrapper',
    dtype='float16',
    optimizer=dict(
        type='MAELARS',
        lr=0.1 * 16384 / 256,
        momentum=0.9,
        trust_coefficient=0.001,
        weight_decay=0.0,
    ),
    constructor='LayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(no_decay=()),  # nothing is decayed anyway
)
param_scheduler = [
    # The first step of epoch 10 is the first at the full rate.
    dict(
        type='LinearWarmupLR',
        start_factor=0.0,
        by_epoch=True,
        begin=0,
        end=10,
        convert_to_iter_based=True,
    ),
    dict(
        type='CosineAnnealingLR',
        eta_min_ratio=0.0,
        by_epoch=True,
        begin=10,
        end=90,
        convert_to_iter_based=True,
    ),
]
train_cfg = dict(type='AccumulatingEpochTrainLoop', max_epochs=90, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
auto_scale_lr = dict(base_batch_size=16384, enable=False)
