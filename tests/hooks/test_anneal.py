"""AnnealHook: half a cosine over the iterations, set on the model and logged."""

from types import SimpleNamespace

import pytest

from mae_transfer.hooks import AnnealHook


def runner_of(model: object) -> SimpleNamespace:
    logged = {}
    hub = SimpleNamespace(update_scalar=logged.__setitem__)
    return SimpleNamespace(model=model, iter=0, message_hub=hub, logged=logged)


def test_anneal__by_hand():
    """From 1 to 1/16 in 4 iterations: after 1 the cosine is that of 45 degrees, after 2 it is 0."""
    hook = AnnealHook('temperature', 1.0, 1 / 16, 4)
    halves = 15 / 32
    expected = [1, 1 / 16 + halves * (1 + 0.5**0.5), 1 / 16 + halves]
    assert [hook.value(t) for t in range(3)] == pytest.approx(expected)
    assert hook.value(4) == hook.value(100) == pytest.approx(1 / 16)


def test_anneal__may_rise():
    hook = AnnealHook('kl_weight', 0.0, 6.6, 10)
    values = [hook.value(t) for t in range(11)]
    assert values == sorted(values) and values[0] == 0 and values[-1] == pytest.approx(6.6)


def test_anneal__sets_the_model_by_the_iteration_alone():
    runner = runner_of(SimpleNamespace(temperature=1.0))
    hook = AnnealHook('temperature', 1.0, 0.0, 10)
    hook.before_train(runner)
    runner.iter = 5  # resumed
    hook.before_train_iter(runner, 0)
    assert runner.model.temperature == pytest.approx(0.5)
    assert runner.logged == {'train/temperature': pytest.approx(0.5)}


def test_anneal__rejects():
    with pytest.raises(ValueError, match='length=0'):
        AnnealHook('temperature', 1.0, 0.0, 0)
    with pytest.raises(ValueError, match='temprature'):
        AnnealHook('temprature', 1.0, 0.0, 5).before_train(
            runner_of(SimpleNamespace(temperature=1.0))
        )
