"""Closed formulas of the published schedules, and the schedules of a config step by step."""

import functools
import json
import math
from collections.abc import Callable

import mmengine.optim  # noqa: F401  registers the schedulers
import torch
from mmengine.config import Config
from mmengine.registry import PARAM_SCHEDULERS

from tests.configs_suite.reading import plain

Formula = Callable[[float], float]


def warm_up_cosine(warm: float, total: float, lowest: float = 0.0, start: float = 0.0) -> Formula:
    """MAE's lr_sched.py, as a factor of the peak: from ``start``, half cosine to ``lowest``."""

    def factor(t: float) -> float:
        if t < warm:
            return start + (1 - start) * t / warm
        return lowest + (1 - lowest) * 0.5 * (1 + math.cos(math.pi * (t - warm) / (total - warm)))

    return factor


def warm_up_under_cosine(warm: float, total: float) -> Formula:
    """IcarusWizard/MAE's lambda: the lower of a line and a half cosine from the same start."""

    def factor(t: float) -> float:
        return min((t + 1) / warm, 0.5 * (1 + math.cos(math.pi * t / total)))

    return factor


def warm_up_steps(warm: float, milestones: tuple[float, ...], start: float = 0.001) -> Formula:
    """Linear warm-up from ``start``, then a tenth at each milestone (Detectron2's schedule)."""

    def factor(t: float) -> float:
        if t < warm:
            return start + (1 - start) * t / warm
        return 0.1 ** sum(t >= milestone for milestone in milestones)

    return factor


def warm_up_poly(warm: float, total: float, start: float = 1e-6) -> Formula:
    """Linear warm-up from ``start``, then straight to 0 (MMSegmentation's schedule)."""

    def factor(t: float) -> float:
        return start + (1 - start) * t / warm if t < warm else 1 - (t - warm) / (total - warm)

    return factor


def simulate(cfg: Config, per_unit: float) -> list[list[float]]:
    """Learning rate of two groups (the peak, and a layer-decayed .01 of it) in each iteration.

    Args:
        cfg: A recipe.
        per_unit: Optimizer steps per epoch, or, below 1, by how much iterations are shortened.
    """
    schedule = json.dumps(plain(cfg.param_scheduler))
    return _simulate(schedule, cfg.optim_wrapper.optimizer.lr, per_unit)


@functools.cache
def _simulate(schedule: str, lr: float, per_unit: float) -> list[list[float]]:
    """Simulate a schedule, given as JSON, that several recipes may share."""
    groups = [dict(params=[torch.nn.Parameter(torch.zeros(1))], lr=lr * f) for f in (1, 0.01)]
    optimizer = torch.optim.SGD(groups, lr=lr)
    schedulers = []
    for scheduler in json.loads(schedule):
        if per_unit < 1:  # the schedule in iterations, shortened
            for key in ('begin', 'end', 'milestones'):
                if isinstance(value := scheduler.get(key), list):
                    scheduler[key] = [round(item * per_unit) for item in value]
                elif value is not None:
                    scheduler[key] = round(value * per_unit)
        args = dict(optimizer=optimizer)
        if scheduler['by_epoch']:
            args['epoch_length'] = per_unit
        schedulers.append(PARAM_SCHEDULERS.build(scheduler, default_args=args))
    rates = []
    for _ in range(max(scheduler.end for scheduler in schedulers)):
        rates.append([group['lr'] for group in optimizer.param_groups])
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    return rates
