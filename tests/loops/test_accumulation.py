"""Gradient accumulation: the same steps as with one large batch, and everything counts steps."""

import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from mae_transfer.loops.accumulation import (
    collate_in_parts,
    collate_one_pass,
    count_steps,
    whole_step,
)
from tests.support.least_squares import Line, config


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


def test_accumulation__scaling_of_mmengine_counts_the_batch_of_a_step(tmp_path):
    """Steps of 4 x 2 points where the rate is that of 16: half of it."""
    cfg = config(2, 4, copy.deepcopy(ITERATIONS), tmp_path / 'a')
    cfg.param_scheduler = None
    cfg.auto_scale_lr = dict(base_batch_size=16, enable=True)
    assert run(cfg)[1] == pytest.approx([0.005] * 10)


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


def test_whole_step__refuses_a_built_loader():
    with pytest.raises(TypeError, match='must be a config'):
        whole_step(DataLoader([1]), 1)


@pytest.mark.parametrize('counts', [0, -1, 2.5, '4'])
def test_count_steps__refuses_what_is_no_count(counts, tmp_path):
    with pytest.raises(ValueError, match='accumulative_counts'):
        count_steps(config(2, counts, dict(ITERATIONS), tmp_path))


def test_count_steps__warns_of_an_unknown_loop_that_cannot_be_resumed_exactly(tmp_path):
    cfg = config(2, 1, dict(type='MyLoop', max_iters=3), tmp_path)
    assert "WARNING: train_cfg.type='MyLoop'" in count_steps(cfg)
    assert cfg.train_cfg.type == 'MyLoop'


def test_count_steps__refuses_an_unknown_loop(tmp_path):
    with pytest.raises(ValueError, match="not 'MyLoop'"):
        count_steps(config(2, 4, dict(type='MyLoop', max_iters=3), tmp_path))


@pytest.mark.parametrize(
    ('loop', 'expected'),
    [
        (dict(by_epoch=True, max_epochs=3), 'AccumulatingEpochTrainLoop'),
        (dict(by_epoch=False, max_iters=3), 'AccumulatingIterTrainLoop'),
        (dict(type='EpochBasedTrainLoop', max_epochs=3), 'AccumulatingEpochTrainLoop'),
        (ITERATIONS, 'AccumulatingIterTrainLoop'),
    ],
)
def test_count_steps__takes_the_loop_that_resumes_exactly_and_says_nothing(
    loop, expected, tmp_path
):
    cfg = config(2, 1, dict(loop), tmp_path)
    assert count_steps(cfg) is None
    length = {key: value for key, value in loop.items() if key.startswith('max_')}
    assert cfg.train_cfg == dict(type=expected, **length)


def test_count_steps__changes_nothing_twice(tmp_path):
    for counts in (2, 4):
        cfg = config(2, counts, dict(ITERATIONS), tmp_path)
        assert f'{counts} forward passes of 2 images' in count_steps(cfg)
        assert cfg.train_cfg.type == 'AccumulatingIterTrainLoop'
    once = cfg.train_cfg.copy()
    count_steps(cfg)
    assert cfg.train_cfg == once
