"""Guarded steps: finite ones are those of the wrapper bit for bit, others change nothing."""

import copy
import math

import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper
from torch import nn
from torch.amp import GradScaler

from mae_transfer.optim.autocast import AutocastOptimWrapper
from mae_transfer.optim.finite_steps import FiniteSteps
from mae_transfer.optim.lars import MAELARS

NAN = float('nan')


def build(make=torch.optim.AdamW, cls=OptimWrapper, lr=0.01, **options):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 16), nn.GELU(), nn.LayerNorm(16), nn.Linear(16, 2))
    parameters = list(model.parameters())
    groups = [dict(params=parameters[:3]), dict(params=parameters[3:], lr=lr / 2)]
    return model, cls(optimizer=make(groups, lr=lr), **options)


def momentum(groups, lr):
    return torch.optim.SGD(groups, lr=lr, momentum=0.9)


def fused(groups, lr):
    return torch.optim.AdamW(groups, lr=lr, fused=True)


def guard(wrapper, **options):
    """Guard a wrapper; return the guard and the list of its reports."""
    outcomes = []
    return FiniteSteps(wrapper, outcomes.append, **options), outcomes


def train(model, wrapper, steps=5, factors=None):
    """Make steps; ``factors`` multiply the losses of some of the forward passes, by number."""
    generator = torch.Generator().manual_seed(1)
    for i in range(steps * wrapper._accumulative_counts):
        x = torch.randn(4, 6, generator=generator)
        with wrapper.optim_context(model):
            loss = (model(x).float() - x[:, :2]).square().mean()
        wrapper.update_params(loss * (factors or {}).get(i, 1.0))


def state_of(model, wrapper):
    return copy.deepcopy([model.state_dict(), wrapper.optimizer.state_dict()])


def assert_equal(one, other):
    torch.testing.assert_close(one, other, rtol=0, atol=0)


@pytest.mark.parametrize('make', [momentum, torch.optim.AdamW, MAELARS])
@pytest.mark.parametrize(
    'options',
    [
        {},
        dict(clip_grad=dict(max_norm=0.3)),
        dict(clip_grad=dict(max_norm=0.1, norm_type=float('inf')), accumulative_counts=3),
        dict(clip_grad=dict(type='value', clip_value=0.01)),
        dict(cls=AutocastOptimWrapper, clip_grad=dict(max_norm=0.3), accumulative_counts=2),
    ],
    ids=['plain', 'clip', 'clip-inf-accumulate', 'clip-value', 'bfloat16'],
)
def test_finite_steps__are_those_of_the_wrapper_bit_for_bit(make, options):
    plain = build(make, **copy.deepcopy(options))
    guarded = build(make, **copy.deepcopy(options))
    _, outcomes = guard(guarded[1])
    train(*plain)
    train(*guarded)
    assert_equal(state_of(*guarded), state_of(*plain))
    assert [outcome.finite for outcome in outcomes] == [True] * 5


def test_norm__is_that_of_the_whole_gradient_before_clipping():
    model, wrapper = build(clip_grad=dict(max_norm=0.01))
    steps, outcomes = guard(wrapper)
    steps.context = 'first'
    loss = model(torch.ones(4, 6)).square().mean()
    gradients = torch.autograd.grad(loss, list(model.parameters()), retain_graph=True)
    wrapper.update_params(loss)
    expected = math.sqrt(sum(float(g.square().sum()) for g in gradients))
    assert outcomes[0].norm == pytest.approx(expected, rel=1e-5)
    assert expected > 0.01
    assert float(outcomes[0].loss) == float(loss.detach())
    assert outcomes[0].context == 'first'


def test_norm__is_computed_once_and_not_logged_by_the_wrapper(monkeypatch):
    calls = []
    foreach_norm = torch._foreach_norm
    monkeypatch.setattr(torch, '_foreach_norm', lambda *a: calls.append(a) or foreach_norm(*a))
    model, wrapper = build(clip_grad=dict(max_norm=0.01))
    wrapper.message_hub = MessageHub('once')
    guard(wrapper)
    train(model, wrapper, 2)
    assert len(calls) == 2
    assert not wrapper.message_hub.log_scalars


class SpoiltGradient(torch.autograd.Function):
    """The identity, with an infinite gradient."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * float('inf')


@pytest.mark.parametrize('make', [momentum, torch.optim.AdamW, MAELARS])
@pytest.mark.parametrize('factor', [NAN, float('inf'), -float('inf')])
def test_step__of_a_loss_that_is_not_finite_changes_nothing(make, factor):
    model, wrapper = build(make, clip_grad=dict(max_norm=0.3))
    _, outcomes = guard(wrapper)
    train(model, wrapper, 2)
    before = state_of(model, wrapper)
    train(model, wrapper, 1, {0: factor})
    assert_equal(state_of(model, wrapper), before)
    assert not outcomes[-1].finite and outcomes[-1].has_gradient
    assert all(p.grad is None for p in model.parameters())
    train(model, wrapper, 1)
    assert outcomes[-1].finite


def test_step__of_a_gradient_that_is_not_finite_changes_nothing():
    model, wrapper = build(clip_grad=dict(type='value', clip_value=0.1))  # makes inf finite
    _, outcomes = guard(wrapper)
    before = state_of(model, wrapper)
    wrapper.update_params(SpoiltGradient.apply(model(torch.ones(4, 6))).square().mean())
    assert_equal(state_of(model, wrapper), before)
    assert not outcomes[0].finite and math.isfinite(outcomes[0].loss)


@pytest.mark.parametrize('spoilt', [0, 1, 2])
def test_step__is_skipped_whole_if_one_of_its_parts_is_not_finite(spoilt):
    model, wrapper = build(accumulative_counts=3)
    _, outcomes = guard(wrapper)
    before = state_of(model, wrapper)
    train(model, wrapper, 1, {spoilt: NAN})
    assert_equal(state_of(model, wrapper), before)
    assert [outcome.finite for outcome in outcomes] == [False]
    assert math.isnan(outcomes[0].loss)


def test_loss__that_is_infinite_where_its_gradient_is_finite_spoils_the_gradient():
    """So that all processes learn of it by the gradients that they share."""
    model, wrapper = build()
    _, outcomes = guard(wrapper)
    wrapper.update_params(model(torch.ones(4, 6)).mean() + float('inf'))
    assert math.isnan(outcomes[0].norm)


@pytest.mark.parametrize('make', [fused, lambda g, lr: torch.optim.SGD(g, lr, 0.9, fused=True)])
def test_deferred__the_kernel_skips_and_the_report_comes_before_the_next_update(make):
    plain, guarded = build(make), build(make)
    steps, outcomes = guard(guarded[1], defer=True)
    seen = []
    steps.learn = lambda outcome: seen.append((outcome, state_of(*guarded)[0]))
    train(*plain, 3)
    train(*guarded, 3)
    assert len(seen) == 2  # the first step at once, the third not yet
    steps.settle()
    assert len(seen) == 3
    assert_equal(state_of(*guarded), state_of(*plain))
    before = state_of(*guarded)
    train(*guarded, 1, {0: NAN})
    assert len(seen) == 3
    assert_equal(state_of(*guarded), before)
    train(*guarded, 1)
    outcome, weights = seen[3]
    assert not outcome.finite and not outcome.has_gradient and math.isnan(outcome.loss)
    assert_equal(weights, before[0])
    assert not hasattr(guarded[1].optimizer, 'found_inf')


def test_deferred__the_first_step_is_judged_at_once():
    """PyTorch's fused SGD would start from a momentum that was never written."""
    model, wrapper = build(lambda g, lr: torch.optim.SGD(g, lr, 0.9, fused=True))
    _, outcomes = guard(wrapper, defer=True)
    train(model, wrapper, 1, {0: NAN})
    assert [outcome.finite for outcome in outcomes] == [False]
    assert not wrapper.optimizer.state


def test_forget__drops_what_was_not_reported():
    model, wrapper = build(fused)
    steps, outcomes = guard(wrapper, defer=True)
    train(model, wrapper, 2)
    steps.forget()
    steps.settle()
    assert len(outcomes) == 1


def scaled(init_scale, **options):
    """A wrapper with a scaler that works on the CPU."""
    model, wrapper = build(cls=AutocastOptimWrapper, **options)
    wrapper.loss_scaler = GradScaler('cpu', init_scale=init_scale)
    return model, wrapper


@pytest.mark.parametrize('clip', [None, dict(max_norm=0.1)])
def test_scaler__steps_and_norms_are_those_of_the_unscaled_loss(clip):
    plain, guarded = scaled(1024.0, clip_grad=copy.copy(clip)), scaled(1024.0, clip_grad=clip)
    unscaled = build(cls=AutocastOptimWrapper)
    steps, outcomes = guard(guarded[1])
    _, expected = guard(unscaled[1])
    for pair in (plain, guarded, unscaled):
        train(*pair, 3)
    steps.settle()
    assert_equal(state_of(*guarded), state_of(*plain))
    assert outcomes[0].norm == pytest.approx(expected[0].norm, rel=0.02)
    assert outcomes[0].scale == 1024.0


@pytest.mark.parametrize('clip', [None, dict(max_norm=0.1)])
def test_scaler__its_search_for_a_scale_is_not_reported(clip):
    model, wrapper = scaled(1e38, clip_grad=clip)
    steps, outcomes = guard(wrapper)
    before = state_of(model, wrapper)
    train(model, wrapper, 1, {0: 1e4})
    assert_equal(state_of(model, wrapper), before)
    assert wrapper.loss_scaler.get_scale() < 1e38
    steps.settle()
    assert outcomes == []
    train(model, wrapper, 1, {0: NAN})
    steps.settle()
    assert [outcome.finite for outcome in outcomes] == [False]


def test_scaler__is_reported_at_once_if_nothing_may_wait():
    model, wrapper = scaled(1024.0)
    _, outcomes = guard(wrapper, defer=False)
    train(model, wrapper, 1, {0: NAN})
    assert [outcome.finite for outcome in outcomes] == [False]


def test_scaler__a_scale_that_has_collapsed_is_reported():
    model, wrapper = scaled(0.5)
    steps, outcomes = guard(wrapper)
    wrapper.update_params(SpoiltGradient.apply(model(torch.ones(4, 6))).float().square().mean())
    steps.settle()
    assert [(outcome.finite, outcome.scale) for outcome in outcomes] == [(False, 0.5)]


def test_detach__gives_the_wrapper_its_methods_back():
    model, wrapper = build()
    steps, outcomes = guard(wrapper)
    steps.detach()
    train(model, wrapper, 1, {0: NAN})
    assert outcomes == []
    assert model[0].weight.isnan().all()
