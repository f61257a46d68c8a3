"""Formulas of the published schedules, by hand, and the schedules of a config step by step.

A formula gives the factor of the peak in step t = 0, 1, ... of the optimizer. Each is written after
the code of its source, with its names for the lengths: ``warm`` steps of warm-up of ``total``.
"""

import functools
import json
import math
from collections.abc import Callable

import mmengine.optim  # noqa: F401  registers the schedulers
import torch
from mmengine.config import Config
from mmengine.registry import PARAM_SCHEDULERS
from torch import Tensor

import mae_transfer.optim  # noqa: F401  registers ours
from tests.configs_suite.reading import plain

Formula = Callable[[int], float]


def half_cosine(share: float) -> float:
    """From 1 to 0."""
    return 0.5 * (1 + math.cos(math.pi * share))


def mae(warm: int, total: int, lowest: float = 0.0) -> Formula:
    """MAE's lr_sched.py, which CAE's linear probe has as well: full in step ``warm``."""

    def factor(t: int) -> float:
        if t < warm:
            return t / warm
        return lowest + (1 - lowest) * half_cosine((t - warm) / (total - warm))

    return factor


def beit(warm: int, total: int, lowest: float = 0.0) -> Formula:
    """cosine_scheduler in BEiT's and CAE's utils.py: linspace(0, 1, warm), full in its last."""

    def factor(t: int) -> float:
        if t < warm:
            return t / (warm - 1)
        return lowest + (1 - lowest) * half_cosine((t - warm) / (total - warm))

    return factor


def fvcore_steps(warm: float, milestones: tuple[int, int]) -> Formula:
    """Detectron2's WarmupParamScheduler, from .001, of fvcore's MultiStepParamScheduler."""
    first, second = milestones

    def factor(t: int) -> float:
        if t < warm:
            return 0.001 * (1 - t / warm) + t / warm
        return 1.0 if t < first else 0.1 if t < second else 0.01

    return factor


def fvcore_cosine(warm: float, total: int) -> Formula:
    """The same with fvcore's CosineParamScheduler: the line meets a cosine that began in step 0."""

    def factor(t: int) -> float:
        if t < warm:
            return 0.001 * (1 - t / warm) + half_cosine(warm / total) * t / warm
        return half_cosine(t / total)

    return factor


def mmcv_poly(warm: int, total: int) -> Formula:
    """PolyLrUpdaterHook of mmcv 1.x with power 1, under a linear warm-up from 1e-6."""

    def factor(t: int) -> float:
        regular = 1 - t / total
        return regular * (1 - (1 - t / warm) * (1 - 1e-6)) if t < warm else regular

    return factor


def mmcv_steps(warm: int, milestones: tuple[int, int]) -> Formula:
    """StepLrUpdaterHook of mmcv 1.x, under a linear warm-up from .001."""
    first, second = milestones

    def factor(t: int) -> float:
        regular = 1.0 if t < first else 0.1 if t < second else 0.01
        return regular * (1 - (1 - t / warm) * (1 - 0.001)) if t < warm else regular

    return factor


def icarus(warm: float, total: int) -> Formula:
    """The lambda of IcarusWizard/MAE: the lower of a line and a half cosine from step 0."""

    def factor(t: int) -> float:
        return min((t + 1) / (warm + 1e-8), half_cosine(t / total))

    return factor


def simulate(cfg: Config, epoch: int = 1, peak: float = 1.0) -> Tensor:
    """Share of its peak that the learning rate of a group has in each step, for two groups.

    Args:
        cfg: A config.
        epoch: Optimizer steps per epoch.
        peak: Learning rate of the first group; that of the second, as if decayed by layers, is a
            hundredth.

    Returns:
        (2, steps), float64.
    """
    steps = cfg.train_cfg.get('max_iters') or cfg.train_cfg.max_epochs * epoch
    return _simulate(json.dumps(plain(cfg.param_scheduler)), steps, epoch, peak)


@functools.cache
def _simulate(schedule: str, steps: int, epoch: int, peak: float) -> Tensor:
    """Simulate a schedule, given as JSON, that several recipes may share."""
    first, second = (
        dict(params=[torch.nn.Parameter(torch.zeros(1))], lr=lr) for lr in (peak, 0.01 * peak)
    )
    optimizer = torch.optim.SGD([first, second])
    args = dict(optimizer=optimizer, epoch_length=epoch)
    schedulers = [
        PARAM_SCHEDULERS.build(scheduler, default_args=args) for scheduler in json.loads(schedule)
    ]
    optimizer.step()  # once is enough for MMEngine, which warns of schedulers that step before it
    rates = []
    for step in range(1, steps + 1):
        rates.append((first['lr'] / peak, second['lr'] / (0.01 * peak)))
        for scheduler in schedulers:
            if not scheduler.by_epoch or step % epoch == 0:
                scheduler.step()
    return torch.tensor(rates, dtype=torch.float64).T
