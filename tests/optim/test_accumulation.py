"""Gradient accumulation: the same steps as with one large batch, and everything counts steps."""

import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, MODELS
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import Dataset

from mae_transfer.optim.accumulation import (
    collate_in_parts,
    collate_one_pass,
    count_steps,
    whole_step,
)


@MODELS.register_module()
class Line(BaseModel):
    """Least squares: the mean loss of a batch is the mean of the losses of its parts."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.layers = nn.Sequential(nn.Linear(3, 8), nn.GELU(), nn.Linear(8, 1))

    def forward(self, inputs, target, mode='tensor'):
        x = self.layers(torch.stack(list(inputs)))
        return {'loss': (x - torch.stack(list(target))).square().mean()}


@DATASETS.register_module()
class Points(Dataset):
    def __init__(self, length: int) -> None:
        generator = torch.Generator().manual_seed(2)
        self.x = torch.rand(length, 3, generator=generator)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        return dict(inputs=self.x[index], target=self.x[index].sum(0, keepdim=True))


def config(images: int, counts: int, loop: dict, work_dir, points: int = 32) -> Config:
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


def run(cfg: Config) -> tuple[Runner, list[float], list[float]]:
    """Train; return the runner, and the learning rate and the loss of each iteration."""
    count_steps(cfg)
    runner = Runner.from_cfg(cfg)
    runner.train()
    scalars = runner.message_hub.log_scalars
    rates, losses = (scalars[name].data[0] for name in ('train/lr', 'train/loss'))
    return runner, rates.tolist(), losses.tolist()


ITERATIONS = dict(type='IterBasedTrainLoop', max_iters=10)
EPOCHS = dict(by_epoch=True, max_epochs=3)  # of four steps


@pytest.mark.parametrize('loop', [ITERATIONS, EPOCHS], ids=['iterations', 'epochs'])
def test_accumulation__of_four_times_two_equals_a_batch_of_eight(loop, tmp_path):
    """Weights, learning rates, losses and checkpoints, with a schedule and clipped gradients."""
    large, rates, losses = run(config(8, 1, copy.deepcopy(loop), tmp_path / 'large'))
    small, small_rates, small_losses = run(config(2, 4, copy.deepcopy(loop), tmp_path / 'small'))
    assert len(rates) == (10 if loop is ITERATIONS else 12)
    assert small_rates == rates
    torch.testing.assert_close(torch.tensor(small_losses), torch.tensor(losses))
    start = Line().state_dict()
    for name, weight in large.model.state_dict().items():
        torch.testing.assert_close(small.model.state_dict()[name], weight, rtol=1e-5, atol=1e-6)
        assert not torch.equal(weight, start[name])
    names = [sorted(p.name for p in (tmp_path / run).glob('iter_*')) for run in ('large', 'small')]
    assert names[0] == names[1] and len(names[0]) >= 3
    assert small.iter == large.iter == len(rates)


def test_accumulation__with_mmengines_own_loop_counts_forward_passes(tmp_path, monkeypatch):
    """What the loops are for: without them, ten iterations are two steps and a half."""
    steps = []
    step = torch.optim.AdamW.step
    monkeypatch.setattr(torch.optim.AdamW, 'step', lambda self: steps.append(1) or step(self))
    Runner.from_cfg(config(2, 4, dict(ITERATIONS), tmp_path / 'plain')).train()
    assert len(steps) == 3


def test_accumulation__resumes_within_a_run(tmp_path):
    whole, rates, _ = run(config(2, 4, copy.deepcopy(ITERATIONS), tmp_path / 'whole'))
    cfg = config(2, 4, copy.deepcopy(ITERATIONS), tmp_path / 'resumed')
    cfg.load_from, cfg.resume = str(tmp_path / 'whole' / 'iter_6.pth'), True
    resumed, resumed_rates, _ = run(cfg)
    assert resumed_rates == rates  # the history comes with the checkpoint
    for name, weight in whole.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[name], weight)


def test_accumulation__takes_a_short_last_batch(tmp_path):
    """11 points in steps of 8: the second step has parts of 2 and 1."""
    _, rates, losses = run(config(2, 4, dict(by_epoch=True, max_epochs=2), tmp_path / 'a', 11))
    assert len(rates) == len(losses) == 4


def test_collate_in_parts__keeps_order_and_leaves_the_rest_short():
    parts = collate_in_parts(list(range(7)), 3, tuple)
    assert parts == [(0, 1, 2), (3, 4, 5), (6,)]


@pytest.mark.parametrize('counts', [1, 4])
def test_collate_one_pass__gives_one_batch_whatever_the_loop(counts, tmp_path):
    loader = config(2, counts, dict(ITERATIONS), tmp_path).train_dataloader
    loader = Runner.build_dataloader(whole_step(loader, counts) if counts > 1 else loader)
    samples = [loader.dataset[i] for i in range(6)]
    assert len(collate_one_pass(loader, samples)['inputs']) == 6


def test_whole_step__leaves_the_config_as_it_is():
    dataloader = dict(batch_size=2, collate_fn=dict(type='pseudo_collate'))
    before = copy.deepcopy(dataloader)
    assert whole_step(dataloader, 4)['batch_size'] == 8
    assert dataloader == before


@pytest.mark.parametrize('counts', [0, -1, 2.5, '4'])
def test_count_steps__refuses_what_is_no_count(counts, tmp_path):
    with pytest.raises(ValueError, match='accumulative_counts'):
        count_steps(config(2, counts, dict(ITERATIONS), tmp_path))


def test_count_steps__refuses_an_unknown_loop(tmp_path):
    with pytest.raises(ValueError, match="not 'MyLoop'"):
        count_steps(config(2, 4, dict(type='MyLoop', max_iters=3), tmp_path))


def test_count_steps__changes_nothing_without_accumulation_and_nothing_twice(tmp_path):
    cfg = config(2, 1, dict(ITERATIONS), tmp_path)
    assert count_steps(cfg) is None
    assert cfg.train_cfg == ITERATIONS
    cfg = config(2, 4, dict(ITERATIONS), tmp_path)
    assert '4 forward passes of 2 images' in count_steps(cfg)
    once = cfg.train_cfg.copy()
    count_steps(cfg)
    assert cfg.train_cfg == once
