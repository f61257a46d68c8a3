"""A model and a runner of MMEngine that train in milliseconds."""

import time
from pathlib import Path

from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.utils.data import DataLoader


class MeanModel(BaseModel):
    """A model with an encoder as ``backbone`` that learns to output zero.

    Args:
        backbone: Gives a tuple of maps, (B, C, H, W), or a map whose first image counts.
        head: What the mean over the pixels goes through, (B, C) in; None for nothing.
    """

    def __init__(self, backbone: nn.Module, head: nn.Module | None = None) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head or nn.Identity()

    def forward(self, inputs: Tensor, mode: str = 'tensor') -> dict[str, Tensor]:
        return {'loss': self.head(self.backbone(inputs)[0].mean((-2, -1))).square().mean()}


def short_runner(
    work_dir: Path, model: BaseModel, sample: Tensor, max_iters: int, **options: object
) -> Runner:
    """A runner that trains on one sample over and over.

    Args:
        work_dir: Where it writes.
        model: What it trains, by SGD.
        sample: ``inputs`` of the model, without the dimension of the batch.
        max_iters: Iterations.
        options: Further arguments of ``Runner``, or others instead of those that are set here.
    """
    num_samples = min(max_iters, 5000)  # one pass: MMEngine pauses before the next
    plain = dict(
        model=model,
        work_dir=str(work_dir),
        train_dataloader=DataLoader([{'inputs': sample}] * num_samples),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01)),
        train_cfg=dict(by_epoch=False, max_iters=max_iters),
        default_hooks=dict(checkpoint=None, logger=None),
        experiment_name=f'{work_dir.name}-{time.time_ns()}',
        log_level='ERROR',
    )
    return Runner(**(plain | options))
