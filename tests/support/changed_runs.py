"""Runs of milliseconds that are resumed with other options, and what is seen in each step."""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, HOOKS, MODELS
from torch import Tensor, nn

from mae_transfer.run import train
from mae_transfer.run.plain_data import plain
from tests.support import least_squares


class Stack(nn.Module):
    """Two blocks that know their depths, as the encoders do."""

    def __init__(self, width: int, frozen: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(3, width), nn.Linear(width, width)])
        self.blocks[0].requires_grad_(not frozen)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = nn.functional.gelu(block(x))
        return x

    def get_layer_depth(self, param_name: str) -> tuple[int, int]:
        return int(param_name.split('.')[1]) + 1, 4


@MODELS.register_module()
class DeepLine(BaseModel):
    """Least squares with an encoder, so that rates can decay by depth.

    Args:
        width: Width of the encoder.
        dropout: A value that no shape reveals.
        frozen: Whether the first block is not trained.
        num_classes: Not used; a model that states it predicts classes.
    """

    def __init__(
        self,
        width: int = 4,
        dropout: float = 0.0,
        frozen: bool = False,
        num_classes: int | None = None,
    ) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.dropout = dropout
        self.backbone = Stack(width, frozen)
        self.head = nn.Linear(width, 1)

    def forward(
        self, inputs: list[Tensor], target: list[Tensor], mode: str = 'tensor'
    ) -> dict[str, Tensor]:
        x = nn.functional.dropout(self.backbone(torch.stack(list(inputs))), self.dropout)
        return {'loss': (self.head(x) - torch.stack(list(target))).square().mean()}


@DATASETS.register_module()
class NamedPoints(least_squares.Points):
    """Points with names and classes.

    Args:
        length: Number of points.
        data_root: Where they would be.
        prefix: Begin of each name.
        classes: Names of classes.
    """

    def __init__(
        self, length: int, data_root: str = '', prefix: str = 'p', classes: tuple = ('a', 'b')
    ) -> None:
        super().__init__(length)
        self.metainfo = dict(classes=tuple(classes))
        self.root, self.prefix = data_root, prefix

    def get_data_info(self, index: int) -> dict:
        return dict(img_path=f'{self.root}/{self.prefix}{index}.png')


@HOOKS.register_module()
class NoteSettings(Hook):
    """Note what a run does in ``NoteSettings.seen``."""

    priority = 'VERY_HIGH'
    seen: 'Seen'

    def before_run(self, runner) -> None:
        seen = NoteSettings.seen = Seen()

        class NoteLines(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                message = record.getMessage()
                if message.startswith('--resume: '):
                    seen.told.append(message.removeprefix('--resume: '))

        runner.logger.addHandler(NoteLines())

    def before_train(self, runner) -> None:
        NoteSettings.seen.wrapper = type(runner.optim_wrapper).__name__
        names = {id(p): name for name, p in runner.model.named_parameters()}
        for parameter, state in runner.optim_wrapper.optimizer.state.items():
            NoteSettings.seen.moments[names[id(parameter)]] = state['exp_avg'].clone()

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        NoteSettings.seen.steps[runner.iter] = [
            {key: plain(value) for key, value in group.items() if key != 'params'}
            for group in runner.optim_wrapper.param_groups
        ]


@dataclass
class Seen:
    """What a run did.

    Attributes:
        steps: Settings of each group by iteration.
        moments: First moments at the start by name of the parameter.
        told: Lines of the log that tell a changed option.
        wrapper: Class of the optimizer wrapper.
    """

    steps: dict[int, list[dict]] = field(default_factory=dict)
    moments: dict[str, Tensor] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    wrapper: str = ''


def config(work_dir: Path, loop: dict, changes: dict[str, Any] | None = None) -> Config:
    """Config of a run with layer decay, a warm-up and half a cosine.

    Args:
        work_dir: Folder of the run.
        loop: ``train_cfg``.
        changes: Dotted keys and their values.
    """
    cfg = least_squares.config(2, 2, loop, work_dir)
    cfg.model = dict(type='DeepLine')
    cfg.train_dataloader.dataset = dict(type='NamedPoints', length=32)
    cfg.optim_wrapper.constructor = 'LayerDecayOptimWrapperConstructor'
    cfg.optim_wrapper.paramwise_cfg = dict(layer_decay_rate=0.5, no_decay=('1d',))
    cfg.custom_hooks = [dict(type='LoadAccountHook'), dict(type='NoteSettings')]
    cfg.default_hooks.logger.interval = 1000
    cfg.log_level = 'WARNING'
    cfg.merge_from_dict(changes or {})
    return cfg


def run(cfg: Config, **arguments: Any) -> Seen:
    """Train a config and return what was seen."""
    train(cfg, **arguments)
    return NoteSettings.seen
