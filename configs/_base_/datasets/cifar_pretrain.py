"""CIFAR-10 without augmentation, training part only (IcarusWizard/MAE, mae_pretrain.py).

Pictures elsewhere, as `cifar-10-batches-py/` or as `train/<class>/*.png`:
--cfg-options data.root=FOLDER
"""

train_pipeline = [dict(type='PackInputs')]  # SmallImages loads

train_dataloader = dict(
    batch_size=512,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='SmallImages',
        data_root='data/cifar10',
        data_prefix='train',
        pipeline=train_pipeline,
    ),
)
