"""The state of schedulers at a later step, compared with that of training up to it."""

import pytest
import torch
from mmengine.optim import OptimWrapper, _ParamScheduler
from mmengine.registry import PARAM_SCHEDULERS
from torch import nn

from mae_transfer.optim.schedule_ahead import (
    FreshSchedule,
    depends_on_metrics,
    describe_schedulers,
)

STEPS_PER_EPOCH = 5
SCHEDULES = {
    'none': [],
    'warm-up and cosine': [
        dict(type='LinearWarmupLR', end=6.5, by_epoch=False),
        dict(type='CosineAnnealingLR', begin=7, end=40, eta_min=1e-4, by_epoch=False),
    ],
    'warm-up under a cosine': [
        dict(type='WarmupUnderCosineLR', warmup=4, end=40, by_epoch=False),
    ],
    'converted from epochs': [
        dict(type='LinearLR', start_factor=0.01, end=2, convert_to_iter_based=True),
        dict(type='CosineAnnealingLR', begin=2, end=8, eta_min_ratio=0.1,
             convert_to_iter_based=True),
    ],
    'polynomial from step 0 under a warm-up': [
        dict(type='LinearWarmupLR', end=9, start_factor=0.1, by_epoch=False),
        dict(type='PolyLR', power=0.9, eta_min=1e-5, end=41, by_epoch=False),
    ],
    'milestones in epochs under a warm-up in iterations': [
        dict(type='LinearLR', start_factor=0.001, end=12, by_epoch=False),
        dict(type='MultiStepLR', milestones=[3, 6, 6], gamma=0.1),
    ],
    'several kinds, not only of rates': [
        dict(type='ConstantLR', factor=0.2, end=4, by_epoch=False),
        dict(type='StepLR', step_size=2),
        dict(type='ExponentialLR', gamma=0.97, begin=10, by_epoch=False),
        dict(type='CosineAnnealingMomentum', end=30, by_epoch=False),
        dict(type='LinearParamScheduler', param_name='weight_decay', end=20, by_epoch=False),
    ],
    'one cycle': [dict(type='OneCycleLR', eta_max=0.3, total_steps=44, by_epoch=False)],
    'restarts': [
        dict(type='CosineRestartLR', periods=[10, 30], restart_weights=[1, 0.5], eta_min=0,
             by_epoch=False),
    ],
}  # fmt: skip


def build(schedule: list[dict], groups: int) -> tuple[OptimWrapper, list[_ParamScheduler]]:
    """AdamW with rates that fall from group to group, and its schedulers."""
    parameters = [
        dict(params=[nn.Parameter(torch.ones(1))], lr=0.7**i / 10, weight_decay=0.1 * i)
        for i in range(groups)
    ]
    wrapper = OptimWrapper(torch.optim.AdamW(parameters, lr=0.1))
    wrapper.optimizer.step()
    arguments = dict(optimizer=wrapper, epoch_length=STEPS_PER_EPOCH)
    return wrapper, [PARAM_SCHEDULERS.build(dict(s), default_args=arguments) for s in schedule]


def settings(wrapper: OptimWrapper) -> list[dict]:
    return [{k: v for k, v in g.items() if k != 'params'} for g in wrapper.param_groups]


@pytest.mark.parametrize('groups', [1, 3])
@pytest.mark.parametrize('name', SCHEDULES)
@pytest.mark.filterwarnings('ignore:Detected call of:UserWarning')
def test_schedule__ahead_is_that_of_training(name, groups):
    """At every step of a training of epochs, to the last bit, also beyond the end."""
    wrapper, schedulers = build(SCHEDULES[name], groups)
    fresh = FreshSchedule.of(wrapper, schedulers)
    for iteration in range(1, 45):
        for scheduler in schedulers:
            if not scheduler.by_epoch:
                scheduler.step()
        epoch, rest = divmod(iteration, STEPS_PER_EPOCH)
        for scheduler in schedulers:
            if scheduler.by_epoch and not rest:
                scheduler.step()
        found, states = fresh.at(iteration, epoch, STEPS_PER_EPOCH)
        assert found == settings(wrapper)
        for state, scheduler in zip(states, schedulers, strict=True):
            wanted = {k: v for k, v in scheduler.state_dict().items() if k != '_last_value'}
            assert {k: v for k, v in state.items() if k != '_last_value'} == wanted
            assert len(state['_last_value']) == len(wrapper.param_groups)


def test_schedule__ahead_changes_neither_optimizer_nor_schedulers():
    wrapper, schedulers = build(SCHEDULES['several kinds, not only of rates'], 2)
    before = settings(wrapper), [dict(s.state_dict()) for s in schedulers]
    fresh = FreshSchedule.of(wrapper, schedulers)
    assert fresh.at(17, 3, STEPS_PER_EPOCH) == fresh.at(17, 3, STEPS_PER_EPOCH)
    assert (settings(wrapper), [dict(s.state_dict()) for s in schedulers]) == before
    assert fresh.scheduled == {'lr', 'momentum', 'betas', 'weight_decay'}


def test_schedule__of_a_loop_that_counts_iterations_has_no_epochs():
    wrapper, schedulers = build([dict(type='StepLR', step_size=1, gamma=0.5)], 1)
    fresh = FreshSchedule.of(wrapper, schedulers)
    assert fresh.at(20, 0, STEPS_PER_EPOCH)[0][0]['lr'] == 0.1
    assert fresh.at(20, 4, STEPS_PER_EPOCH)[0][0]['lr'] == pytest.approx(0.1 / 16)


def test_describe_schedulers__without_what_changes_from_step_to_step():
    _, schedulers = build([dict(type='MultiStepLR', milestones=[3, 6], end=9, by_epoch=False)], 1)
    expected = [
        dict(type='MultiStepLR', param_name='lr', begin=0, end=9, by_epoch=False, gamma=0.1,
             milestones={3: 1, 6: 1})
    ]  # fmt: skip
    assert describe_schedulers(schedulers) == expected
    schedulers[0].optimizer._global_step = 1
    schedulers[0].step()
    assert describe_schedulers(schedulers) == expected


def test_depends_on_metrics__only_plateaus():
    _, schedulers = build([dict(type='ReduceOnPlateauLR', monitor='loss')], 1)
    assert depends_on_metrics(schedulers)
    assert not depends_on_metrics(build(SCHEDULES['restarts'], 1)[1])
