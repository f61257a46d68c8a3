"""How many steps and validations fit into some minutes, by hand."""

from types import SimpleNamespace

import pytest

from mae_transfer.run import step_time
from mae_transfer.run.step_time import StepTime
from tests.support.least_squares import config

# 3 minutes are 180 s: 30 s of the trial and 10 s to start leave 140 s.
TIME = StepTime(step=0.5, setup=10.0, whole=30.0, validation=20.0)


def test_left__without_the_trial_and_the_start():
    assert TIME.left(3) == 140.0


@pytest.mark.parametrize(('wanted', 'chosen'), [(0, 0), (1, 1), (3, 3), (4, 1), (50, 1)])
def test_validations_in__take_at_most_half_of_the_time(wanted, chosen):
    assert TIME.validations_in(3, wanted) == chosen


@pytest.mark.parametrize(('validations', 'steps'), [(0, 280), (1, 240), (3, 160), (7, 1)])
def test_steps_in__what_validations_leave(validations, steps):
    assert TIME.steps_in(3, validations) == steps


class Clock:
    """A clock that advances by a second each time it is read."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        self.now += 1
        return self.now


def test_measure_step__counts_the_timed_steps_alone(tmp_path, monkeypatch):
    """The clock is read at the start, after each of 13 steps and at the end."""
    monkeypatch.setattr(step_time, 'time', Clock())
    cfg = config(8, 1, dict(type='IterBasedTrainLoop', max_iters=5), tmp_path)
    found = step_time.measure_step(cfg)
    assert found == StepTime(step=1.0, setup=1.0, whole=14.0, validation=0.0)


def test_validation_time__is_that_of_all_batches(monkeypatch):
    """Five of twenty batches are timed; the first one is not, as it waits for the workers."""
    monkeypatch.setattr(step_time, 'time', Clock())
    model = SimpleNamespace(eval=lambda: None, val_step=lambda batch: None)
    loop = SimpleNamespace(dataloader=[0] * 20)
    assert step_time._validation_time(SimpleNamespace(model=model, val_loop=loop)) == 20.0
    assert step_time._validation_time(SimpleNamespace(model=model, val_loop=None)) == 0.0
