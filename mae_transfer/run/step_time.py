"""Measures the time of an optimizer step in a trial run that leaves nothing behind."""

import copy
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

import torch
from mmengine.config import Config
from mmengine.dist import broadcast_object_list
from mmengine.hooks import Hook
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from mae_transfer.hooks.step_count import StepCountHook
from mae_transfer.run.guards import without_guards
from mae_transfer.run.schedule import INTERVAL_HOOKS
from mae_transfer.run.state import restored_state

UNTIMED, TIMED, VALIDATED = 3, 10, 4


@dataclass(frozen=True)
class StepTime:
    """Times measured in a trial of a few steps.

    Attributes:
        step: Seconds per optimizer step.
        setup: Seconds from the start of the trial to its first step.
        whole: Seconds of the complete trial.
        validation: Seconds per validation, without the metrics at its end; 0 if there is none.
    """

    step: float
    setup: float
    whole: float
    validation: float = 0.0

    def left(self, minutes: float) -> float:
        """Return the seconds left for steps and validations, out of some minutes.

        The setup of the run that follows is expected to take as long as that of the trial.
        """
        return 60 * minutes - self.whole - self.setup

    def validations_in(self, minutes: float, wanted: int) -> int:
        """Choose the number of validations: those wanted, or one if they took over half the time.

        Args:
            minutes: From the start of the trial to the end of the run.
            wanted: Number of validations in the recipe.
        """
        return 1 if wanted and wanted * self.validation > self.left(minutes) / 2 else wanted

    def steps_in(self, minutes: float, validations: int = 0) -> int:
        """Return how many steps, at least one, fit in addition to the validations."""
        left = self.left(minutes) - validations * self.validation
        return max(1, int(left / self.step))


class _Enough(Exception):
    """Ends the trial from inside its loop."""


class _Clock(Hook):
    """Record when each step ends, and stop after the last that is needed."""

    priority = 'LOWEST'

    def __init__(self) -> None:
        self.ends: list[float] = []

    def after_train_iter(self, runner: Runner, *args: object, **kwargs: object) -> None:
        """Wait for the device and look at the clock."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.ends.append(time.perf_counter())
        if len(self.ends) == UNTIMED + TIMED:
            raise _Enough


def measure_step(cfg: Config) -> StepTime:
    """Train a copy of a run for a few steps, and discard it.

    The first steps, in which memory is reserved and kernels are chosen, are not timed. All
    processes run the trial and use the times of the first process.

    Args:
        cfg: The config of a run that is ready to start. It is not changed.
    """
    start = time.perf_counter()
    clock = _Clock()
    with restored_state(), tempfile.TemporaryDirectory(prefix='mae-transfer-trial-') as folder:
        runner_type = RUNNERS.get(cfg.get('runner_type', 'Runner'))
        runner = runner_type.from_cfg(_trial(cfg, folder))
        runner.register_hook(StepCountHook())
        runner.register_hook(clock)
        with suppress(_Enough):
            runner.train()
        validation = _validation_time(runner)
        del runner
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    first, last = clock.ends[min(UNTIMED, len(clock.ends)) - 1], clock.ends[-1]
    steps = len(clock.ends) - UNTIMED
    setup = clock.ends[0] - start
    step = (last - first) / steps if steps > 0 else setup
    found = [StepTime(step, setup, time.perf_counter() - start, validation)]
    broadcast_object_list(found)
    return found[0]


def _validation_time(runner: Runner) -> float:
    """Estimate the seconds per validation from its first batches; 0 if there is none."""
    if runner.val_loop is None:
        return 0.0
    runner.model.eval()
    loader, ends = runner.val_loop.dataloader, []
    with torch.no_grad():
        for batch in islice(loader, VALIDATED + 1):
            runner.model.val_step(batch)
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            ends.append(time.perf_counter())
    if len(ends) < 2:
        return 0.0
    return len(loader) * (ends[-1] - ends[0]) / (len(ends) - 1)


def _trial(cfg: Config, folder: str) -> Config:
    """Copy the training without drawings, checkpoints and weights to load."""
    trial = copy.deepcopy(cfg)
    trial.work_dir = folder
    trial.log_level = 'ERROR'
    for key in ('test_dataloader', 'test_cfg', 'test_evaluator', 'load_from', 'visualizer'):
        trial[key] = None
    trial.resume = False
    trial.default_hooks = without_guards(
        {**(cfg.get('default_hooks') or {}), 'checkpoint': None, 'logger': None}
    )
    hooks = cfg.get('custom_hooks') or ()
    trial.custom_hooks = [hook for hook in hooks if hook['type'] not in INTERVAL_HOOKS]
    if trial.model.get('backbone'):
        trial.model.backbone.init_cfg = None  # the account of the weights belongs to the run
    length = 'max_iters' if 'max_iters' in trial.train_cfg else 'max_epochs'
    trial.train_cfg[length] = max(trial.train_cfg[length], UNTIMED + TIMED)
    trial.train_cfg.val_begin = trial.train_cfg[length] + 1  # never reached
    return trial
