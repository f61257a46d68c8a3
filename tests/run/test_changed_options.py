"""Sentences about facts that differ, on facts made by hand."""

import copy

import pytest

from mae_transfer.run.changed_options import MOST, refuse_changes, tell_changes


@pytest.fixture
def facts():
    """A run of iterations on one process."""
    return dict(
        version=1,
        config=dict(
            model=dict(type='M', init_cfg=dict(checkpoint='a.pth'), classes=dict(num_classes=2)),
            train_dataloader=dict(dataset=dict(data_root='a', ann_file='a/train.json')),
            optim_wrapper=dict(optimizer=dict(type='AdamW', lr=0.1)),
        ),
        groups=[dict(names=['w'], settings=dict(lr=0.01, initial_lr=0.1, eps=1e-8))],
        schedulers=[dict(type='LinearLR', param_name='lr', begin=0, end=4, total_iters=3)],
        counts='iterations',
        length=10,
        steps_per_epoch=5,
        batch=dict(processes=1, images=2, accumulated=1, views=1),
        data=dict(samples=10, pictures=['1.png', '2.png'], classes=['a', 'b']),
    )


def changed(facts, **changes):
    """Facts with other values at dotted keys."""
    new = copy.deepcopy(facts)
    for key, value in changes.items():
        *path, last = key.split('__')
        node = new
        for name in path:
            node = node[int(name) if name.isdigit() else name]
        node[last] = value
    return new


@pytest.mark.parametrize(
    'changes, expected',
    [
        ({}, []),
        (dict(config__model__init_cfg=None), []),
        (
            dict(
                config__train_dataloader__dataset__data_root='b',
                config__train_dataloader__dataset__ann_file='b/train.json',
            ),
            [
                "train_dataloader.dataset.data_root 'a' -> 'b'",
                "train_dataloader.dataset.ann_file 'a/train.json' -> 'b/train.json'",
            ],
        ),
        (
            dict(config__train_dataloader__dataset__ann_file='a/all.json', data__samples=12),
            [
                'training data 10 -> 12 samples',
                "train_dataloader.dataset.ann_file 'a/train.json' -> 'a/all.json'",
            ],
        ),
        (
            dict(data__pictures=['1.png', '3.png']),
            ["training data with the picture '2.png' -> '3.png'"],
        ),
        (
            dict(batch__processes=4),
            [
                'batch 2 = 1 process x 2 images x 1 accumulated -> 8 = 4 processes x 2 images x 1 '
                'accumulated; a step stays a step, and the data come in other batches from '
                'iteration 8 on'
            ],
        ),
        (
            dict(schedulers__0__end=8, schedulers__0__total_iters=7),
            ['schedule LinearLR end 4 -> 8; in iteration 8 the learning rate is 0.025'],
        ),
        (
            dict(config__optim_wrapper__optimizer__lr=0.2, groups__0__settings__initial_lr=0.2),
            [
                'learning rate (optim_wrapper.optimizer.lr) 0.1 -> 0.2; in iteration 8 the '
                'learning rate is 0.025'
            ],
        ),
        (
            dict(groups__0__settings__initial_lr=0.2, groups__0__settings__lr=0.02),
            ['setting lr of the optimizer 0.1 -> 0.2'],
        ),
        (dict(groups__0__settings__eps=0.1), ['setting eps of the optimizer 1e-08 -> 0.1']),
        (dict(config__optim_wrapper__type='OptimWrapper'), []),
        (
            dict(config__optim_wrapper__type='AutocastOptimWrapper'),
            ['precision float32 -> bfloat16'],
        ),
        (
            dict(
                config__optim_wrapper__type='AutocastOptimWrapper',
                config__optim_wrapper__dtype='float16',
            ),
            ['precision float32 -> float16'],
        ),
        (
            dict(config__randomness=dict(seed=3)),
            ['seed not set -> 3; the data come in another order from iteration 8 on'],
        ),
        (dict(counts='epochs', length=2), ['length 10 iterations -> 2 epochs']),
        (
            dict(config__custom_hooks=[dict(type='EMAHook', momentum=0.1)]),
            ['custom_hooks not set -> [EMAHook]'],
        ),
    ],
)
def test_tell_changes__by_hand(facts, changes, expected):
    assert tell_changes(facts, changed(facts, **changes), 7, 0.025) == expected


def test_tell_changes__counts_those_that_are_too_many(facts):
    other = changed(facts, config__log_processor={f'key_{i}': i for i in range(1, MOST + 2)})
    other['config']['log_processor']['type'] = 'L'
    old = changed(facts, config__log_processor=dict(type='L'))
    told = tell_changes(old, other, 7, None)
    assert len(told) == MOST and told[0] == 'log_processor.key_1 not set -> 1'
    assert told[-1] == '2 more: log_processor.key_30, log_processor.key_31'


@pytest.mark.parametrize(
    'classes, words',
    [
        (['a', 'b', 'c'], r"2 -> 3, \['a', 'b'\] -> \['a', 'b', 'c'\]"),
        (['b', 'a'], "class 0 is 'a' -> 'b'"),
    ],
)
def test_refuse_changes__names_the_classes_that_differ(facts, classes, words):
    with pytest.raises(ValueError, match=f'run.pth was trained on other classes: {words}; resume'):
        refuse_changes(facts, changed(facts, data__classes=classes), 'run.pth')
    label_free = changed(facts, config__model=dict(type='MAE'))
    refuse_changes(label_free, changed(label_free, data__classes=classes), 'run.pth')
