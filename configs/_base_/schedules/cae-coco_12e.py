"""CAE's 1x schedule on COCO, 12 epochs with a batch of 32.

Learning rate and layer decay are the recipe's. Gradients are not clipped.
"""

max_epochs = 12

optim_wrapper = dict(
    type='AutocastOptimWrapper',
    dtype='float16',
    optimizer=dict(type='AdamW', betas=(0.9, 0.999), weight_decay=0.05),
    constructor='LayerDecayOptimWrapperConstructor',
    # The released code intends this too, but compares full names and so decays the class token.
    paramwise_cfg=dict(no_decay=('1d', 'bias', 'pos_embed', 'cls_token')),
)
param_scheduler = [
    dict(type='LinearWarmupLR', start_factor=0.001, by_epoch=False, begin=0, end=500),
    dict(
        type='MultiStepLR',
        gamma=0.1,
        by_epoch=True,
        convert_to_iter_based=True,
        begin=0,
        end=max_epochs,
        milestones=[9, 11],
    ),
]
train_cfg = dict(type='AccumulatingEpochTrainLoop', max_epochs=max_epochs, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
auto_scale_lr = dict(base_batch_size=32, enable=False)
