"""Finds the state that schedulers have at a later step, without training up to it.

MMEngine's schedulers are recursive: each step multiplies the current rate of each group. Here they
take their steps on a stand-in for the optimizer with one group, whose values are vectors over the
groups of the real one, so many groups cost as much as one. The results are those of training, to
the last bit.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from mmengine.optim import OptimWrapper, _ParamScheduler


@dataclass(frozen=True)
class FreshSchedule:
    """Parameter groups and schedulers before the first step of a run.

    Attributes:
        groups: Settings of each group, without its parameters, as ``OptimWrapper.param_groups``
            lists them: MMEngine's base settings are the last of several.
        schedulers: Copies of the schedulers, without the optimizer.
    """

    groups: list[dict[str, Any]]
    schedulers: list[_ParamScheduler]

    @classmethod
    def of(
        cls, optim_wrapper: OptimWrapper, schedulers: Sequence[_ParamScheduler]
    ) -> 'FreshSchedule':
        """Copy those of a run that has built them and neither resumed nor trained."""
        groups = [
            {name: copy.deepcopy(value) for name, value in group.items() if name != 'params'}
            for group in optim_wrapper.param_groups
        ]
        return cls(groups, [_without_optimizer(scheduler) for scheduler in schedulers])

    @property
    def scheduled(self) -> set[str]:
        """Names of the settings that schedulers change."""
        names = {scheduler.param_name for scheduler in self.schedulers}
        if any(getattr(scheduler, 'use_betas', False) for scheduler in self.schedulers):
            names.add('betas')
        return names

    def at(
        self, iterations: int, epochs: int, steps_per_epoch: int
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return the settings of each group and the state of each scheduler at a later step.

        Args:
            iterations: Steps made.
            epochs: Epochs completed, as the training loop counts them; 0 if it counts iterations.
            steps_per_epoch: Length of an epoch.
        """
        group = {name: _vector([g[name] for g in self.groups]) for name in self._shared_names()}
        optimizer = SimpleNamespace(
            param_groups=[group], step=SimpleNamespace(_with_counter=True), _global_step=1
        )
        schedulers = [copy.copy(scheduler) for scheduler in self.schedulers]
        for scheduler in schedulers:
            scheduler.optimizer, scheduler.verbose = optimizer, False
            scheduler.base_values = [np.array(scheduler.base_values, dtype=np.float64)]
        by_iteration = [scheduler for scheduler in schedulers if not scheduler.by_epoch]
        by_epoch = [scheduler for scheduler in schedulers if scheduler.by_epoch]
        done = 0
        for epoch in range(1, epochs + 1 if by_epoch else 1):
            _advance(by_iteration, min(epoch * steps_per_epoch, iterations) - done)
            done = min(epoch * steps_per_epoch, iterations)
            _advance(by_epoch, 1)
        _advance(by_iteration, iterations - done)
        settings = [
            {**own, **{name: _entry(group[name], i) for name in self.scheduled & group.keys()}}
            for i, own in enumerate(self.groups)
        ]
        return settings, [
            {
                **fresh.state_dict(),
                'last_step': scheduler.last_step,
                '_global_step': scheduler._global_step,
                '_last_value': [own[scheduler.param_name] for own in settings],
            }
            for fresh, scheduler in zip(self.schedulers, schedulers, strict=True)
        ]

    def _shared_names(self) -> list[str]:
        """List the settings of numbers that every group has."""
        first, *others = self.groups
        return [
            name
            for name, value in first.items()
            if all(name in group for group in others) and _is_numbers(value)
        ]


def describe_schedulers(schedulers: Sequence[_ParamScheduler]) -> list[dict[str, Any]]:
    """List the class and the constants of schedulers, without what changes from step to step."""
    variables = {'optimizer', 'base_values', 'last_step', '_global_step', '_last_value', 'verbose'}
    return [
        {
            'type': type(scheduler).__name__,
            **{name: value for name, value in vars(scheduler).items() if name not in variables},
        }
        for scheduler in schedulers
    ]


def depends_on_metrics(schedulers: Sequence[_ParamScheduler]) -> bool:
    """Return whether the state of a scheduler follows from more than the number of steps."""
    return any(getattr(scheduler, 'need_val_args', False) for scheduler in schedulers)


def _without_optimizer(scheduler: _ParamScheduler) -> _ParamScheduler:
    copied = copy.copy(scheduler)
    del copied.optimizer
    return copied


def _advance(schedulers: Sequence[_ParamScheduler], count: int) -> None:
    """Make a number of steps; schedulers that are not active only count them."""
    while schedulers and count > 0:
        following = schedulers[0]._global_step + 1  # the same for all
        changes = [
            time - following
            for scheduler in schedulers
            for time in (scheduler.begin, scheduler.end)
            if time > following
        ]
        span = min([count, *changes])
        active = [s for s in schedulers if s.begin <= following < s.end]
        for _ in range(span):
            for scheduler in active:
                scheduler.step()
        for scheduler in schedulers:
            if scheduler not in active:
                scheduler._global_step += span
        count -= span


def _is_numbers(value: object) -> bool:
    if isinstance(value, tuple | list):
        return bool(value) and all(map(_is_numbers, value))
    return isinstance(value, int | float) and not isinstance(value, bool)


def _vector(values: Sequence[Any]) -> Any:
    """Turn one number per group into a vector, and one pair of numbers into a pair of vectors."""
    if isinstance(values[0], tuple | list):
        return tuple(_vector(column) for column in zip(*values, strict=True))
    return np.array(values, dtype=np.float64)


def _entry(vector: Any, index: int) -> Any:
    """Return what a vector, or a tuple of vectors, says about one group."""
    if isinstance(vector, tuple):
        return tuple(_entry(part, index) for part in vector)
    return float(vector[index])
