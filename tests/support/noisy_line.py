"""Least squares whose data and model draw random numbers; notes of each step; a run that stops."""

import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.registry import DATASETS, HOOKS, METRICS, MODELS
from mmengine.runner import Runner

from mae_transfer.loops.accumulation import count_steps
from tests.support.least_squares import Line, Points, config

READ: Counter[int] = Counter()  # how often each point was read, in this process
VALIDATED: list[int] = []  # after how many steps


@DATASETS.register_module()
class NoisyPoints(Points):
    """Points with noise of three generators."""

    def __getitem__(self, index: int) -> dict:
        READ[index] += 1
        point = super().__getitem__(index)
        noise = torch.rand(3) + float(np.random.rand())
        return dict(inputs=point['inputs'] + noise, target=point['target'])


@MODELS.register_module()
class NoisyLine(Line):
    """Dropout of torch, and mixup by NumPy."""

    def forward(self, inputs, target, mode='tensor'):
        x = torch.nn.functional.dropout(torch.stack(list(inputs)), 0.5)
        return super().forward(list(x * np.random.beta(0.8, 0.8)), target, mode)


@METRICS.register_module()
class Nothing(BaseMetric):
    """Draws numbers and measures nothing."""

    def process(self, data_batch, data_samples):
        torch.rand(3), np.random.rand()
        self.results.append(0)

    def compute_metrics(self, results):
        return {'nothing': 0.0}


class Stopped(Exception):
    """Ends a run between two steps."""


@HOOKS.register_module()
class Notes(Hook):
    """Note step, index of the batch, learning rate and loss; stop after a step.

    Args:
        stop: The step; None for none.
    """

    priority = 'LOWEST'

    def __init__(self, stop: int | None = None) -> None:
        self.stop = stop
        self.steps: dict[int, tuple[int, float, float]] = {}

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.rate = runner.optim_wrapper.get_lr()['lr'][0]

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.steps[runner.iter + 1] = batch_idx, self.rate, outputs['loss'].item()
        if runner.iter + 1 == self.stop:
            raise Stopped

    def before_val(self, runner):
        VALIDATED.append(runner.iter)


def noisy_config(
    work_dir: Path, loop: dict, sampler: str, counts: int = 1, points: int = 22, every: int = 1
) -> Config:
    """Config of steps of four points.

    Args:
        work_dir: Folder of the run.
        loop: ``train_cfg``.
        sampler: Class of the sampler.
        counts: Forward passes of a step.
        points: Points of the data.
        every: Steps between checkpoints.
    """
    cfg = config(4 // counts, counts, dict(loop), work_dir, points)
    cfg.model.type, cfg.train_dataloader.dataset.type = 'NoisyLine', 'NoisyPoints'
    cfg.train_dataloader.sampler.type = sampler
    cfg.default_hooks.checkpoint = dict(type='AtomicCheckpointHook', by_epoch=False, interval=every)
    cfg.default_hooks.random_state = dict(type='RandomStateHook')
    count_steps(cfg)
    return cfg


def validated(cfg: Config, interval: int) -> Config:
    """Add a validation that draws random numbers."""
    cfg.val_dataloader = dict(
        batch_size=2,
        num_workers=0,
        dataset=dict(type='Points', length=4),
        sampler=dict(type='DefaultSampler', shuffle=True),
    )
    cfg.val_cfg, cfg.val_evaluator = dict(), dict(type='Nothing')
    cfg.train_cfg.val_interval = interval
    return cfg


def run(
    cfg: Config, stop: int | None = None, resume: Path | None = None, hooks: tuple[Hook, ...] = ()
) -> tuple[Runner, dict[int, tuple[int, float, float]]]:
    """Train in this process.

    Args:
        cfg: The config.
        stop: Step after which the run ends; None for its end.
        resume: Checkpoint.
        hooks: Further hooks.

    Returns:
        The runner, and what :class:`Notes` noted of each step.
    """
    cfg.experiment_name = f'{Path(cfg.work_dir).name}-{time.time_ns()}'
    cfg.resume, cfg.load_from = resume is not None, str(resume) if resume else None
    runner = Runner.from_cfg(cfg)
    notes = Notes(stop)
    for hook in (*hooks, notes):
        runner.register_hook(hook)
    try:
        runner.train()
    except Stopped:
        assert stop is not None
    return runner, notes.steps
