"""IcarusWizard/MAE's training of classifiers on CIFAR-10: 100 epochs, a batch of 128, float32."""

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3 * 128 / 256, betas=(0.9, 0.999), weight_decay=0.05),
    constructor='LayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(no_decay=()),  # everything is decayed, norms and biases as well
)
param_scheduler = [dict(type='WarmupUnderCosineLR', warmup=5, end=100, by_epoch=True)]
train_cfg = dict(type='AccumulatingEpochTrainLoop', max_epochs=100, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
auto_scale_lr = dict(base_batch_size=128, enable=False)
