"""The state of a checkpoint after the options of another run were put into it."""

import pytest
import torch
from mmengine.optim import OptimWrapper
from torch import nn

from mae_transfer.optim.schedule_ahead import FreshSchedule
from mae_transfer.run.plain_data import plain
from mae_transfer.run.resumed_state import change_position, change_state


def facts_of(wrapper, names, **more):
    """Facts of a run without schedule, of parameters with these names in each group."""
    groups = [
        dict(
            names=names[i] if i < len(names) else [],
            settings={k: v for k, v in group.items() if k != 'params'},
        )
        for i, group in enumerate(wrapper.param_groups)
    ]
    return plain(dict(groups=groups, schedulers=[], counts='iterations', steps_per_epoch=5) | more)


def optimize(sizes, lr=0.1):
    """An optimizer after a step, a group for each list of sizes."""
    groups = [dict(params=[nn.Parameter(torch.ones(n)) for n in group]) for group in sizes]
    wrapper = OptimWrapper(torch.optim.AdamW(groups, lr=lr))
    fresh = FreshSchedule.of(wrapper, [])
    for i, parameter in enumerate(p for group in groups for p in group['params']):
        parameter.grad = torch.full_like(parameter, i + 1.0)
    wrapper.optimizer.step()
    return wrapper, fresh


def test_change_state__sorts_moments_by_name():
    """Into more groups, in another order, with one parameter less and one more."""
    old_wrapper, _ = optimize([[1, 2, 3]])
    old = facts_of(old_wrapper, [['a', 'b', 'c']])
    new_wrapper, fresh = optimize([[3], [1, 4]], lr=0.2)
    new = facts_of(new_wrapper, [['c'], ['a', 'd']])
    checkpoint = dict(optimizer=old_wrapper.state_dict(), meta=dict(iter=1, epoch=0))
    checkpoint['optimizer']['loss_scaler'] = dict(scale=2.0)
    told = change_state(checkpoint, old, new, fresh, renumbered=False)
    assert told == [
        'trained from now on, with moments that start at zero: 1 parameters, such as d',
        'trained no longer: 1 parameters, such as b',
    ]
    state = checkpoint['optimizer']
    assert state['loss_scaler'] == dict(scale=2.0)
    assert [group['params'] for group in state['param_groups']] == [[0], [1, 2]]
    assert {i: len(one['exp_avg']) for i, one in state['state'].items()} == {0: 3, 1: 1}
    assert state['base_param_settings']['lr'] == 0.2
    new_wrapper.load_state_dict(state)  # as MMEngine does
    assert [group['lr'] for group in new_wrapper.param_groups] == [0.2, 0.2, 0.2]


def test_change_state__changes_only_what_the_options_changed():
    """What an optimizer keeps in its groups stays."""
    wrapper, fresh = optimize([[2]])
    old = facts_of(wrapper, [['a']])
    state = wrapper.state_dict()
    state['param_groups'][0] |= dict(lr=0.07, moved=3)
    new = facts_of(wrapper, [['a']])
    fresh.groups[0]['eps'] = new['groups'][0]['settings']['eps'] = 1e-4
    checkpoint = dict(optimizer=state, meta=dict(iter=1, epoch=0))
    assert change_state(checkpoint, old, new, fresh, renumbered=False) == []
    group = checkpoint['optimizer']['param_groups'][0]
    assert (group['lr'], group['moved'], group['eps']) == (0.07, 3, 1e-4)


@pytest.mark.parametrize(
    'old, new, meta, expected',
    [
        (('iterations', 5), ('iterations', 7), (12, 0), (12, 0, False)),
        (('epochs', 5), ('epochs', 5), (12, 2), (12, 2, False)),
        (('epochs', 5), ('epochs', 7), (10, 2), (14, 2, True)),
        (('epochs', 5), ('iterations', 7), (12, 2), (12, 0, False)),
    ],
)
def test_change_position__by_hand(old, new, meta, expected):
    facts = [dict(counts=counts, steps_per_epoch=steps, length=9) for counts, steps in (old, new)]
    position = dict(zip(('iter', 'epoch'), meta, strict=True))
    renumbered = change_position(position, *facts, 'run.pth')
    assert (position['iter'], position['epoch'], renumbered) == expected
