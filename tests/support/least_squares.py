"""A training run of milliseconds: least squares on a few points, with MMEngine alone."""

from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, MODELS
from torch import Tensor, nn
from torch.utils.data import Dataset


@MODELS.register_module()
class Line(BaseModel):
    """Least squares: the mean loss of a batch is the mean of the losses of its parts."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.layers = nn.Sequential(nn.Linear(3, 8), nn.GELU(), nn.Linear(8, 1))

    def forward(
        self, inputs: list[Tensor], target: list[Tensor], mode: str = 'tensor'
    ) -> dict | list:
        x = self.layers(torch.stack(list(inputs)))
        if mode == 'predict':
            return list(x)
        return {'loss': (x - torch.stack(list(target))).square().mean()}


@DATASETS.register_module()
class Points(Dataset):
    """Points of a cube and the sums of their coordinates."""

    def __init__(self, length: int) -> None:
        generator = torch.Generator().manual_seed(2)
        self.x = torch.rand(length, 3, generator=generator)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> dict:
        return dict(inputs=self.x[index], target=self.x[index].sum(0, keepdim=True))


def config(images: int, counts: int, loop: dict, work_dir: Path, points: int = 32) -> Config:
    """Config of a run with a warm-up and half a cosine.

    Args:
        images: Points of a forward pass.
        counts: Forward passes of a step.
        loop: ``train_cfg``, of iterations or epochs.
        work_dir: Folder of the run.
        points: Points of the data.
    """
    by_epoch = 'max_epochs' in loop
    total = loop.get('max_epochs') or loop['max_iters']
    warm, unit = (1, dict(by_epoch=True, convert_to_iter_based=True)) if by_epoch else (
        4, dict(by_epoch=False))  # fmt: skip
    cfg = Config(
        dict(
            model=dict(type='Line'),
            train_dataloader=dict(
                batch_size=images,
                num_workers=0,
                dataset=dict(type='Points', length=points),
                sampler=dict(
                    type='DefaultSampler' if by_epoch else 'InfiniteSampler', shuffle=True
                ),
            ),
            train_cfg=loop,
            optim_wrapper=dict(
                optimizer=dict(type='AdamW', lr=0.01, weight_decay=0.05),
                accumulative_counts=counts,
                clip_grad=dict(max_norm=0.3),
            ),
            param_scheduler=[
                dict(type='LinearLR', start_factor=0.01, begin=0, end=warm, **unit),
                dict(type='CosineAnnealingLR', T_max=total - warm, begin=warm, end=total, **unit),
            ],
            default_hooks=dict(
                checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=3),
                logger=dict(type='LoggerHook', interval=1),
            ),
            work_dir=str(work_dir),
            experiment_name=f'{work_dir.parent.name}-{work_dir.name}',
            randomness=dict(seed=3),
            log_level='ERROR',
            default_scope='mmengine',
        )
    )
    return cfg
