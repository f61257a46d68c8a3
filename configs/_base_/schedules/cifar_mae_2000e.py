"""IcarusWizard/MAE's pre-training on CIFAR-10: 2000 epochs with a batch of 4096, float32.

Eight batches of 512 make a step; counting continues across epochs (97 full batches and one
of 336). That code sums the gradients, while they are averaged here: AdamW's steps are the same.
"""

optim_wrapper = dict(
    type='OptimWrapper',
    accumulative_counts=8,
    optimizer=dict(type='AdamW', lr=1.5e-4 * 4096 / 256, betas=(0.9, 0.95), weight_decay=0.05),
    constructor='LayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(no_decay=()),  # everything is decayed, norms and biases as well
)
param_scheduler = [dict(type='WarmupUnderCosineLR', warmup=200, end=2000, by_epoch=True)]
train_cfg = dict(type='AccumulatingEpochTrainLoop', max_epochs=2000)
auto_scale_lr = dict(base_batch_size=4096, enable=False)
