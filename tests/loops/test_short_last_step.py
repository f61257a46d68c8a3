"""The gradient of the last step of an epoch, which may have fewer or smaller parts, by hand."""

import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, MODELS
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.utils.data import Dataset

from mae_transfer.loops.accumulation import count_steps

# Whole numbers of few bits: bfloat16 holds them and their products exactly.
INPUTS = (1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 6.0, 5.0, 3.0, 2.0, 1.0)
IMAGES, COUNTS = 2, 4  # a step of eight


@MODELS.register_module()
class Slope(BaseModel):
    """The loss of a batch is the mean of w * x: its gradient is the mean of x, whatever w is."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.linear.weight)

    def forward(self, inputs: list[Tensor], mode: str = 'tensor') -> dict[str, Tensor]:
        return {'loss': self.linear(torch.stack(list(inputs))).mean()}


@DATASETS.register_module()
class Numbers(Dataset):
    """The first few of ``INPUTS``."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {'inputs': torch.tensor(INPUTS[index : index + 1])}


def gradients(length: int, wrapper: str, work_dir, monkeypatch) -> list[float]:
    """Train one epoch; return the gradient at each step of the optimizer."""
    seen: list[float] = []

    def step(optimizer: torch.optim.SGD, *_, **__) -> None:
        seen.append(optimizer.param_groups[0]['params'][0].grad.item())

    monkeypatch.setattr(torch.optim.SGD, 'step', step)
    cfg = Config(
        dict(
            model=dict(type='Slope'),
            train_dataloader=dict(
                batch_size=IMAGES,
                num_workers=0,
                dataset=dict(type='Numbers', length=length),
                sampler=dict(type='DefaultSampler', shuffle=False),
            ),
            train_cfg=dict(by_epoch=True, max_epochs=1),
            optim_wrapper=dict(
                type=wrapper, optimizer=dict(type='SGD', lr=1.0), accumulative_counts=COUNTS
            ),
            default_hooks=dict(checkpoint=None, logger=None, timer=None),
            work_dir=str(work_dir),
            experiment_name=f'{work_dir.name}-{length}',
            log_level='ERROR',
            default_scope='mmengine',
        )
    )
    count_steps(cfg)
    assert cfg.train_cfg.type == 'AccumulatingEpochTrainLoop'
    Runner.from_cfg(cfg).train()
    return seen


@pytest.mark.parametrize('wrapper', ['OptimWrapper', 'AutocastOptimWrapper'])
@pytest.mark.parametrize(
    'length, last',
    [
        (8, []),
        (9, [3.0]),  # one part of one
        (10, [(3 + 2) / 2]),  # one part of two: not a quarter of its gradient
        (4, [(1 + 2 + 3 + 4) / 4]),  # the only step of the epoch
    ],
)
def test_short_last_step__has_the_gradient_of_one_batch(
    length, last, wrapper, tmp_path, monkeypatch
):
    first = [(1 + 2 + 3 + 4 + 1 + 2 + 6 + 5) / 8] if length >= 8 else []
    assert gradients(length, wrapper, tmp_path, monkeypatch) == first + last


@pytest.mark.parametrize('wrapper', ['OptimWrapper', 'AutocastOptimWrapper'])
def test_short_last_step__gives_each_pass_the_same_weight(wrapper, tmp_path, monkeypatch):
    """Three samples in passes of two and one: the mean of both means, not of the samples.

    In IcarusWizard/MAE, too, a short pass has the weight of a whole one. A loss that is a mean over
    hidden patches or boxes does not depend on the number of samples.
    """
    found = gradients(11, wrapper, tmp_path, monkeypatch)
    assert found == [3.0, ((3 + 2) / 2 + 1) / 2]
