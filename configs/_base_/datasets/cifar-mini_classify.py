"""A thousand pictures of 32 pixels for training and two hundred for testing, without augmentation.

Pictures as `{train,test}/<class>/*.png`, elsewhere: --cfg-options data.root=FOLDER
"""

_base_ = './cifar-mini_pretrain.py'

test_pipeline = [dict(type='PackInputs')]

val_dataloader = dict(
    batch_size=128,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='SmallImages',
        data_root='data/cifar-mini',
        data_prefix='test',
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='Accuracy', topk=(1, 5))
test_evaluator = val_evaluator
