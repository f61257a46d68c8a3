"""CIFAR-10 without augmentation, training and test part (IcarusWizard/MAE, train_classifier.py).

There is no validation part: as in that code, the test part is evaluated after every epoch.

Pictures elsewhere, as `cifar-10-batches-py/` or as `{train,test}/<class>/*.png`:
--cfg-options data.root=FOLDER
"""

_base_ = './cifar_pretrain.py'

test_pipeline = _base_.train_pipeline

train_dataloader = dict(batch_size=128)
val_dataloader = dict(
    batch_size=128,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='SmallImages',
        data_root='data/cifar10',
        data_prefix='test',
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='Accuracy', topk=(1, 5))
test_evaluator = val_evaluator
