"""The schedule against PyTorch's LambdaLR with the released formulas."""

import math

import pytest
import torch
from mmengine.optim import LinearLR
from mmengine.registry import PARAM_SCHEDULERS

from mae_transfer.optim import WarmupUnderCosineLR


def make(warmup=200, end=2000, lrs=(2.4e-3, 1e-3), **kwargs):
    groups = [dict(params=[torch.nn.Parameter(torch.zeros(1))], lr=lr) for lr in lrs]
    optimizer = torch.optim.SGD(groups)
    return optimizer, WarmupUnderCosineLR(optimizer, warmup=warmup, end=end, **kwargs)


def rates(optimizer, scheduler, steps):
    seen = []
    for _ in range(steps):
        seen.append([group['lr'] for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    return seen


@pytest.mark.parametrize(('warmup', 'end'), [(200, 2000), (5, 100)])
def test_schedule__equals_the_released_formula_at_every_epoch(warmup, end):
    ours = rates(*make(warmup, end), end)
    optimizer = torch.optim.SGD(
        [dict(params=[torch.nn.Parameter(torch.zeros(1))], lr=lr) for lr in (2.4e-3, 1e-3)]
    )
    theirs = rates(
        optimizer,
        torch.optim.lr_scheduler.LambdaLR(
            optimizer,
            lambda e: min((e + 1) / (warmup + 1e-8), 0.5 * (math.cos(e / end * math.pi) + 1)),
        ),
        end,
    )
    torch.testing.assert_close(
        torch.tensor(ours, dtype=torch.float64),
        torch.tensor(theirs, dtype=torch.float64),
        rtol=1e-12,
        atol=0.0,
    )


@pytest.mark.parametrize(('warmup', 'start'), [(4, 0.001), (4.5, 0.0), (0.5, 0.25), (18, 1.0)])
def test_schedule__goes_from_a_start_to_the_cosine(warmup, start):
    """Detectron2: from the start in step 0 to the cosine at the end of the warm-up."""
    found = [rate[0] / 2.4e-3 for rate in rates(*make(warmup, 20, start_factor=start), 20)]
    top = (1 + math.cos(math.pi * warmup / 20)) / 2
    for step, factor in enumerate(found):
        line = start * (1 - step / warmup) + top * step / warmup
        cosine = (1 + math.cos(math.pi * step / 20)) / 2
        assert factor == pytest.approx(line if step < warmup else cosine, rel=1e-12, abs=1e-15)


def test_schedule__peaks_below_the_base_where_the_curves_meet():
    """2000 epochs, warm-up of 200: (e + 1) / 200 meets the cosine at .977 of the base."""
    factors = [rate[0] / 2.4e-3 for rate in rates(*make(), 2000)]
    peak = max(range(2000), key=factors.__getitem__)
    assert factors[0] == pytest.approx(1 / 200)
    assert factors[peak] == pytest.approx(0.977, abs=1e-3)
    assert 194 <= peak <= 196
    assert 0 < factors[-1] < 1e-5


def test_schedule__goes_on_after_a_restart():
    straight = rates(*make(5, 30), 30)
    optimizer, scheduler = make(5, 30)
    first = rates(optimizer, scheduler, 12)
    states = (scheduler.state_dict(), optimizer.state_dict())
    optimizer, scheduler = make(5, 30)
    scheduler.load_state_dict(states[0])
    optimizer.load_state_dict(states[1])
    assert first + rates(optimizer, scheduler, 18) == straight


def test_schedule__stays_where_it_ended():
    seen = rates(*make(5, 30), 33)
    assert seen[29] == seen[30] == seen[32]


@pytest.mark.parametrize('warmup', [0, 30, -1])
def test_schedule__rejects_a_warm_up_that_leaves_nothing(warmup):
    with pytest.raises(ValueError, match=f'warmup={warmup}: must be above 0 and below end=30'):
        make(warmup, 30)


@pytest.mark.parametrize('start', [-0.1, 1.1])
def test_schedule__rejects_a_start_that_is_no_share(start):
    with pytest.raises(ValueError, match=f'start_factor={start}: must be in \\[0, 1\\]'):
        make(5, 30, start_factor=start)


def test_schedule__rejects_the_state_of_another():
    """MMEngine loads states by position, whatever class they are of."""
    optimizer, scheduler = make(5, 30)
    other = LinearLR(optimizer, end=5).state_dict()
    with pytest.raises(ValueError, match='another schedule than WarmupUnderCosineLR'):
        scheduler.load_state_dict(other)


def test_schedule__is_registered():
    optimizer, _ = make()
    built = PARAM_SCHEDULERS.build(
        dict(type='WarmupUnderCosineLR', warmup=5, end=100, by_epoch=True),
        default_args=dict(optimizer=optimizer),
    )
    assert isinstance(built, WarmupUnderCosineLR)
