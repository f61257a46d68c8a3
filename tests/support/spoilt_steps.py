"""Training runs of milliseconds in which some steps are not finite."""

import io
import json
import sys
import traceback
from collections.abc import Sequence
from contextlib import redirect_stderr
from pathlib import Path
from unittest import mock

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import DATASETS, HOOKS, LOOPS, MODELS, RUNNERS
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from mae_transfer.loops import AccumulatingIterTrainLoop
from mae_transfer.run import train
from mae_transfer.run.errors import run_tool
from tests.support.least_squares import Line, Points, config

NAN = float('nan')


class _SpoilGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        return gradient * NAN


@MODELS.register_module()
class SpoiltLine(Line):
    """Least squares with batch norm and dropout that can be told to fail.

    Args:
        norm: Whether there is a batch norm.

    Attributes:
        spoilt: None, or what is not finite from now on: 'loss', 'output' of the first layer, or
            'gradient'.
    """

    def __init__(self, norm: bool = True) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(3) if norm else nn.Identity()
        self.dropout = nn.Dropout(0.2)
        self.spoilt: str | None = None

    def forward(
        self,
        inputs: list[Tensor],
        target: list[Tensor],
        data_samples: list[BaseDataElement],
        mode: str = 'tensor',
    ) -> dict | list:
        if self.spoilt == 'output':
            inputs = [x * NAN for x in inputs]
        x = self.dropout(self.norm(torch.stack(inputs)))
        output = super().forward(list(x), target, mode)
        if self.spoilt == 'loss':
            output['loss'] = output['loss'] / 0
        if self.spoilt == 'gradient':
            output['loss'] = _SpoilGradient.apply(output['loss'])
        return output


@DATASETS.register_module()
class NamedPoints(Points):
    """Points with file names, some of which are NaN.

    Args:
        length: Points.
        spoilt: Numbers of those that are NaN.
    """

    def __init__(self, length: int, spoilt: Sequence[int] = ()) -> None:
        super().__init__(length)
        self.x[list(spoilt)] = NAN

    def __getitem__(self, index: int) -> dict:
        named = BaseDataElement(metainfo=dict(img_path=f'{index}.jpg'))
        return {**super().__getitem__(index), 'data_samples': named}


@LOOPS.register_module()
class NotingLoop(AccumulatingIterTrainLoop):
    """Note from which step and to which checkpoint a run goes back."""

    rolled_back: list[tuple[int, str]]

    def roll_back(self, checkpoint: str) -> None:
        self.rolled_back = [*getattr(self, 'rolled_back', []), (self._iter, checkpoint)]
        super().roll_back(checkpoint)


@HOOKS.register_module()
class SpoilHook(Hook):
    """Spoil some steps, counted from 1 whether or not the run goes back; or all after a step.

    Args:
        steps: Numbers of the steps.
        after: Spoil all steps after this one, too.
        kind: See ``SpoiltLine``; 'weights' makes the last weights of any model NaN instead, and
            'picture' the first picture of the last batch of a step.
        process: Which process is spoilt.
    """

    priority = 'HIGHEST'

    def __init__(
        self, steps: Sequence[int] = (), after: int = 1000, kind: str = 'loss', process: int = 0
    ) -> None:
        self.steps, self.after, self.kind, self.process = set(steps), after, kind, process
        self.count = 0

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        self.count += 1
        model = runner.model.module if hasattr(runner.model, 'module') else runner.model
        now = self.count in self.steps or self.count > self.after
        now = now and runner.rank == self.process
        if self.kind == 'weights' and now:
            with torch.no_grad():
                list(model.parameters())[-1].fill_(NAN)
        elif self.kind == 'picture' and now:
            inputs = data_batch['inputs']
            if isinstance(inputs, Tensor):
                data_batch['inputs'] = inputs.float()
                data_batch['inputs'][0] = NAN
            else:
                inputs[0] = inputs[0].float() * NAN
        elif isinstance(model, SpoiltLine):
            model.spoilt = self.kind if now else None


def spoilt_config(work_dir: Path, max_iters: int = 12, counts: int = 1, **spoil: object) -> Config:
    """Config of a guarded run with a checkpoint every third step.

    Args:
        work_dir: Folder of the run.
        max_iters: Steps.
        counts: Forward passes of a step.
        spoil: Arguments of ``SpoilHook``; ``points``: numbers of the points that are NaN.
    """
    points = spoil.pop('points', ())
    cfg = config(4, counts, dict(type='NotingLoop', max_iters=max_iters), work_dir)
    cfg.model.type = 'SpoiltLine'
    cfg.train_dataloader.dataset.update(type='NamedPoints', spoilt=list(points))
    cfg.default_hooks.checkpoint.type = 'AtomicCheckpointHook'
    cfg.default_hooks.nonfinite = dict(type='NonFiniteGuardHook')
    cfg.custom_hooks = [dict(type='SpoilHook', **spoil)]
    return cfg


def build(cfg: Config) -> tuple[Runner, list[str]]:
    """Build a runner; also return the list to which its warnings are added."""
    runner = RUNNERS.get(cfg.get('runner_type', 'Runner')).from_cfg(cfg)
    warnings: list[str] = []
    runner.logger.warning = warnings.append
    return runner, warnings


def run_to_end(cfg: Config, launcher: str = 'none') -> tuple[int, str]:
    """Train as tools/train.py does; return the exit code and what it prints about an error."""
    printed = io.StringIO()
    try:
        with redirect_stderr(printed):
            run_tool(lambda: train(cfg, launcher=launcher))
    except SystemExit as stop:
        return int(stop.code or 0), printed.getvalue()
    except Exception:
        return 1, traceback.format_exc()
    return 0, ''


def print_end_of_rank(work_dir: str, changes: dict, spoil: dict) -> None:
    """Train on one of several ranks and print how it ended; see ``spoilt_config``."""
    cfg = spoilt_config(Path(work_dir), **spoil)
    cfg.merge_from_dict(changes)
    # An error would end this process at once, before it can print.
    with mock.patch('mae_transfer.run.rank_errors.end_process', sys.exit):
        print('END', json.dumps(run_to_end(cfg, 'pytorch')))
