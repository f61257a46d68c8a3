"""The warm-up against formulas by hand, alone and with MMEngine's decays."""

import math

import numpy as np
import pytest
import torch
from mmengine.optim import CosineAnnealingLR, LinearLR, MultiStepLR, PolyLR
from mmengine.registry import PARAM_SCHEDULERS
from torch.testing import assert_close

from mae_transfer.optim import LinearWarmupLR

PEAKS = (2.4e-3, 1e-5)


def make_optimizer():
    groups = [dict(params=[torch.nn.Parameter(torch.zeros(1))], lr=lr) for lr in PEAKS]
    return torch.optim.SGD(groups)


def run(optimizer, schedulers, steps):
    """Factor of the peak in each step, the same for both groups."""
    seen = []
    for _ in range(steps):
        seen.append([g['lr'] / peak for g, peak in zip(optimizer.param_groups, PEAKS, strict=True)])
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    assert_close([low for _, low in seen], [high for high, _ in seen], rtol=1e-12, atol=0.0)
    return [high for high, _ in seen]


def factors(steps, *decays, **kwargs):
    """Factors of a warm-up, followed by (class, arguments) of other schedulers."""
    optimizer = make_optimizer()
    schedulers = [LinearWarmupLR(optimizer, **kwargs)]
    schedulers += [decay(optimizer, **more) for decay, more in decays]
    return run(optimizer, schedulers, steps)


def assert_equal(found, expected):
    assert_close(found, [float(factor) for factor in expected], rtol=0.0, atol=1e-13)


def test_warm_up__from_zero_is_full_in_the_step_it_names():
    assert_equal(factors(7, end=4), [0, 1 / 4, 2 / 4, 3 / 4, 1, 1, 1])


def test_warm_up__starts_at_the_factor():
    assert_equal(factors(6, end=4, start_factor=0.2), [0.2, 0.4, 0.6, 0.8, 1, 1])


def test_warm_up__at_zero_changes_no_parameter():
    """In float32, with the rate and the decay of AdamW."""
    weight = torch.nn.Parameter(torch.tensor([1.0, -3e-5]))
    optimizer = torch.optim.AdamW([weight], lr=1.0, weight_decay=0.5)
    LinearWarmupLR(optimizer, end=4)
    weight.grad = torch.tensor([5.0, 1.0])
    before = weight.detach().clone()
    optimizer.step()
    assert torch.equal(weight, before)


def test_warm_up__with_an_endpoint_is_numpys_linspace():
    assert_equal(factors(8, end=6, endpoint=True), [*np.linspace(0, 1, 6), 1, 1])
    assert_equal(factors(3, end=1, endpoint=True), [*np.linspace(0, 1, 1), 1, 1])


@pytest.mark.parametrize(
    ('end', 'expected'),
    [
        (2.5, [0.1, 0.46, 0.82, 1, 1]),  # .1 + .9 t / 2.5
        (0.3, [0.1, 1, 1, 1, 1]),
        (1, [0.1, 1, 1, 1, 1]),
    ],
)
def test_warm_up__may_end_between_two_steps(end, expected):
    assert_equal(factors(5, end=end, start_factor=0.1), expected)


def test_warm_up__begins_where_it_is_told_to():
    """Before that the rate is the full one, as with MMEngine's schedulers."""
    assert_equal(factors(7, end=5, begin=2, start_factor=0.4), [1, 1, 0.4, 0.6, 0.8, 1, 1])


def test_warm_up__leaves_the_full_rate_to_the_decay_that_begins_at_its_end():
    decay = (CosineAnnealingLR, dict(begin=4, end=10, by_epoch=True))
    cosine = [(1 + math.cos(math.pi * step / 6)) / 2 for step in range(6)]
    assert_equal(factors(10, decay, end=4), [0, 0.25, 0.5, 0.75, *cosine])


def test_warm_up__multiplies_a_decay_of_the_same_steps():
    poly = (PolyLR, dict(power=1.0, eta_min=0.0, end=11))  # reaches 0 in step 10
    steps = (MultiStepLR, dict(milestones=[2, 7], gamma=0.1))
    line = [min(1, t / 4) for t in range(10)]
    assert_equal(factors(10, poly, end=4), [f * (1 - t / 10) for t, f in enumerate(line)])
    drops = [0.1 ** sum(t >= m for m in (2, 7)) for t in range(10)]
    assert_equal(factors(10, steps, end=4), [f * d for f, d in zip(line, drops, strict=True)])


def build(**kwargs):
    optimizer = make_optimizer()
    args = dict(optimizer=optimizer, epoch_length=3)
    cfg = dict(type='LinearWarmupLR', **kwargs)
    return optimizer, PARAM_SCHEDULERS.build(cfg, default_args=args)


def test_warm_up__of_epochs_counts_iterations():
    """1.5 epochs of 3 steps are 4.5; they begin in step 3."""
    optimizer, scheduler = build(begin=1, end=2.5, by_epoch=True, convert_to_iter_based=True)
    assert not scheduler.by_epoch
    rise = [t / 4.5 for t in range(5)]
    assert_equal(run(optimizer, [scheduler], 10), [1, 1, 1, *rise, 1, 1])


def test_warm_up__of_epochs_keeps_its_endpoint_and_start():
    optimizer, scheduler = build(
        end=2, start_factor=0.5, endpoint=True, by_epoch=True, convert_to_iter_based=True
    )
    assert_equal(run(optimizer, [scheduler], 8), [0.5, 0.6, 0.7, 0.8, 0.9, 1, 1, 1])


def test_warm_up__in_epochs_stays_in_epochs_unless_converted():
    optimizer, scheduler = build(end=2)
    assert scheduler.by_epoch
    assert_equal(run(optimizer, [scheduler], 4), [0, 0.5, 1, 1])


@pytest.mark.parametrize('stop', [1, 3, 4, 5, 6])
def test_warm_up__goes_on_after_a_restart(stop):
    """After the first step, inside, and before, in and after the first full step, 5 of 4.5."""

    def start():
        optimizer = make_optimizer()
        cosine = CosineAnnealingLR(optimizer, begin=5, end=12)
        return optimizer, [LinearWarmupLR(optimizer, end=4.5), cosine]

    straight = run(*start(), 12)
    optimizer, schedulers = start()
    first = run(optimizer, schedulers, stop)
    states = [part.state_dict() for part in (optimizer, *schedulers)]
    optimizer, schedulers = start()
    for part, state in zip((optimizer, *schedulers), states, strict=True):
        part.load_state_dict(state)
    assert first + run(optimizer, schedulers, 12 - stop) == straight


@pytest.mark.parametrize('stop', [1, 3, 5, 6, 8])
def test_warm_up__follows_the_linear_lr_that_it_continues(stop):
    """A run that began with MMEngine's warm-up keeps its length, whatever the config now says."""
    old = dict(start_factor=0.001, end=6)
    optimizer = make_optimizer()
    straight = run(optimizer, [LinearLR(optimizer, **old)], 12)
    optimizer = make_optimizer()
    scheduler = LinearLR(optimizer, **old)
    first = run(optimizer, [scheduler], stop)
    states = optimizer.state_dict(), scheduler.state_dict()
    optimizer = make_optimizer()
    scheduler = LinearWarmupLR(optimizer, start_factor=0.0, end=4.5)
    optimizer.load_state_dict(states[0])
    scheduler.load_state_dict(states[1])
    assert_equal(first + run(optimizer, [scheduler], 12 - stop), straight)


def test_warm_up__refuses_the_state_of_another_schedule():
    optimizer = make_optimizer()
    other = CosineAnnealingLR(optimizer, T_max=5).state_dict()
    with pytest.raises(ValueError, match='another schedule than LinearWarmupLR.*work dir'):
        LinearWarmupLR(optimizer, end=4).load_state_dict(other)


@pytest.mark.parametrize(
    ('kwargs', 'words'),
    [
        (dict(start_factor=-0.1), 'start_factor=-0.1: must be at least 0 and below 1'),
        (dict(start_factor=1), 'start_factor=1: must be at least 0 and below 1'),
        (dict(begin=-1), 'begin=-1: must be a whole number, at least 0'),
        (dict(begin=0.5), 'begin=0.5: must be a whole number, at least 0'),
        (dict(begin=4), 'end=4: must be above begin=4'),
        (dict(end=0), 'end=0: must be above begin=0'),
    ],
)
def test_warm_up__refuses(kwargs, words):
    with pytest.raises(ValueError, match=words):
        LinearWarmupLR(make_optimizer(), **{'end': 4, **kwargs})


def test_warm_up__refuses_to_convert_iterations():
    with pytest.raises(ValueError, match='convert_to_iter_based=True: needs by_epoch=True'):
        LinearWarmupLR.build_iter_from_epoch(
            make_optimizer(), end=4, epoch_length=3, by_epoch=False
        )
