"""A resumed run is the same run: order, draws, rates and losses; validations; rollbacks."""

import time

import pytest
import torch
from mmengine.hooks import Hook

from mae_transfer.loops.roll_back import RollBack
from mae_transfer.loops.steady_order import VALIDATION_DUE
from tests.support.noisy_line import READ, VALIDATED, noisy_config, run, validated

EPOCHS = dict(type='EpochBasedTrainLoop', max_epochs=3)
STEPS = dict(type='IterBasedTrainLoop', max_iters=16)


@pytest.mark.parametrize(
    ('loop', 'sampler', 'counts', 'stop'),
    [
        (STEPS, 'InfiniteSampler', 1, 7),
        (STEPS, 'InfiniteSampler', 2, 7),
        (STEPS, 'DefaultSampler', 1, 13),  # in the third pass
        (STEPS, 'DefaultSampler', 1, 12),  # after the second
        (EPOCHS, 'DefaultSampler', 1, 2),  # in the first epoch
        (EPOCHS, 'DefaultSampler', 2, 9),  # in the second
        (EPOCHS, 'DefaultSampler', 1, 6),  # after the first, before its end is known
    ],
)
def test_resume__goes_on_as_the_whole_run(loop, sampler, counts, stop, tmp_path, monkeypatch):
    """Losses to the bit, rates and indices of batches; seen points are not read again."""
    monkeypatch.setattr(time, 'sleep', None)  # MMEngine's loop waits between two passes
    _, whole = run(noisy_config(tmp_path / 'whole', loop, sampler, counts, every=-1))
    assert len(whole) == (16 if loop is STEPS else 18)  # six steps an epoch, the last one short
    assert len({loss for *_, loss in whole.values()}) == len(whole)
    cut = noisy_config(tmp_path / 'cut', loop, sampler, counts, every=stop)
    run(cut, stop=stop)
    torch.manual_seed(99)
    READ.clear()
    _, resumed = run(cut, resume=tmp_path / 'cut' / f'iter_{stop}.pth')
    assert resumed == {step: noted for step, noted in whole.items() if step > stop}
    short = () if sampler == 'InfiniteSampler' else (6, 12, 18)
    assert READ.total() == sum(2 if step in short else 4 for step in resumed)


def test_resume__after_an_epoch_begins_the_next(tmp_path):
    """By the checkpoint that MMEngine's hook writes at the end of an epoch."""
    cfg = noisy_config(tmp_path / 'run', EPOCHS, 'DefaultSampler')
    cfg.default_hooks.checkpoint.by_epoch = True
    _, whole = run(cfg)
    _, resumed = run(cfg, resume=tmp_path / 'run' / 'epoch_2.pth')
    assert resumed == {step: noted for step, noted in whole.items() if step > 12}
    assert resumed[13][0] == 0


@pytest.mark.parametrize('diff_rank_seed', [True, False])
def test_resume__without_a_seed_keeps_the_one_that_was_drawn(tmp_path, diff_rank_seed):
    cfg = noisy_config(tmp_path / 'run', STEPS, 'InfiniteSampler')
    cfg.randomness = dict(seed=None, diff_rank_seed=diff_rank_seed)
    first, whole = run(cfg)
    second, resumed = run(cfg, resume=tmp_path / 'run' / 'iter_5.pth')
    assert resumed == {step: noted for step, noted in whole.items() if step > 5}
    seeds = [runner.train_dataloader.batch_sampler.sampler.seed for runner in (first, second)]
    assert seeds[0] == seeds[1] == second.train_loop.order_seed


def test_order__is_another_for_each_seed(tmp_path):
    losses = []
    for seed in (1, 2):
        cfg = noisy_config(tmp_path / str(seed), dict(STEPS, max_iters=6), 'InfiniteSampler')
        cfg.randomness.seed = seed
        losses.append(run(cfg)[1])
    assert losses[0] != losses[1]


@pytest.mark.parametrize('loop', [STEPS, EPOCHS], ids=['steps', 'epochs'])
def test_validation__does_not_change_the_training(loop, tmp_path):
    _, whole = run(noisy_config(tmp_path / 'plain', loop, 'DefaultSampler', every=-1))
    VALIDATED.clear()
    _, with_validation = run(
        validated(noisy_config(tmp_path / 'validated', loop, 'DefaultSampler', every=-1), 1)
    )
    assert with_validation == whole
    assert VALIDATED == (list(range(1, 17)) if loop is STEPS else [6, 12, 18])


def test_best_checkpoint__holds_the_states_of_the_next_step(tmp_path):
    """It is written in the middle of a validation, which draws numbers; it holds no optimizer."""
    cfg = validated(noisy_config(tmp_path / 'run', STEPS, 'InfiniteSampler', every=-1), 4)
    cfg.default_hooks.checkpoint.update(save_best='nothing', rule='less')
    _, whole = run(cfg)
    _, resumed = run(cfg, resume=tmp_path / 'run' / 'best_nothing_iter_4.pth')
    assert resumed[5][2] == whole[5][2]


class Due(Hook):
    """Mark a step's validation as due, as a run does that ends before it."""

    priority = 'NORMAL'  # before the checkpoint

    def __init__(self, step: int) -> None:
        self.step = step

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        runner.message_hub.update_info(VALIDATION_DUE, runner.iter + 1 == self.step)


@pytest.mark.parametrize(
    ('loop', 'stop', 'expected'),
    [
        (STEPS, 8, [8, 16]),  # first the one that was cut off
        (STEPS, 7, [8, 16]),  # none was due
        (EPOCHS, 6, [6, 12, 18]),  # the end of the epoch comes anyway, and is not doubled
    ],
)
def test_validation_due__is_made_up_for_once(loop, stop, expected, tmp_path):
    cfg = validated(noisy_config(tmp_path / 'run', loop, 'DefaultSampler'), 8)
    if loop is EPOCHS:
        cfg.train_cfg.val_interval = 1
    run(cfg, stop=stop, hooks=(Due(stop if stop % 2 == 0 else 0),))
    VALIDATED.clear()
    runner, resumed = run(cfg, resume=tmp_path / 'run' / f'iter_{stop}.pth')
    assert VALIDATED == expected
    assert runner.message_hub.get_info(VALIDATION_DUE) is False and min(resumed) == stop + 1


class Back(Hook):
    """Go back to a checkpoint after some steps, once each.

    Args:
        checkpoint: The file.
        steps: After which; the same number twice for a second rollback there.
    """

    def __init__(self, checkpoint, *steps: int) -> None:
        self.checkpoint, self.steps = str(checkpoint), list(steps)
        self.restored: list[torch.Tensor] = []
        self.gradients: list = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if self.steps and runner.iter + 1 == self.steps[0]:
            self.steps.pop(0)
            with torch.no_grad():
                for weight in runner.model.parameters():
                    weight.fill_(float('nan'))
                    weight.grad = torch.full_like(weight, float('nan'))
            raise RollBack(self.checkpoint)

    def after_roll_back(self, runner):
        self.restored.append(runner.model.layers[0].weight.detach().clone())
        self.gradients += [weight.grad for weight in runner.model.parameters()]


@pytest.mark.parametrize(
    ('loop', 'sampler'),
    [(STEPS, 'InfiniteSampler'), (STEPS, 'DefaultSampler'), (EPOCHS, 'DefaultSampler')],
)
def test_roll_back__restores_a_checkpoint_and_draws_another_order(loop, sampler, tmp_path):
    _, whole = run(noisy_config(tmp_path / 'whole', loop, sampler, every=3))
    seen, lasts = [], []
    for name in ('one', 'two'):
        cfg = noisy_config(tmp_path / name, loop, sampler, every=3)
        back = Back(tmp_path / name / 'iter_3.pth', 8, 8)
        runner, steps = run(cfg, hooks=(back,))
        seen.append(steps)
        lasts.append(runner.model.state_dict())
        state = torch.load(tmp_path / 'whole' / 'iter_3.pth', weights_only=False)['state_dict']
        assert len(back.restored) == 2
        assert all(torch.equal(weight, state['layers.0.weight']) for weight in back.restored)
        assert back.gradients == [None] * len(back.gradients)
    first, again = seen
    torch.testing.assert_close(lasts[0], lasts[1], rtol=0, atol=0)
    assert first == again and list(first) == list(whole)
    assert [first[step] for step in (1, 2, 3)] == [whole[step] for step in (1, 2, 3)]
    for step in range(4, len(whole) + 1):
        assert first[step][:2] == whole[step][:2]  # batch and rate as ever
        assert first[step][2] != whole[step][2]

    # Resumed after a rollback: the order stays the new one.
    cfg = noisy_config(tmp_path / 'cut', loop, sampler, every=3)
    run(cfg, stop=12, hooks=(Back(tmp_path / 'cut' / 'iter_3.pth', 8, 8),))
    _, resumed = run(cfg, resume=tmp_path / 'cut' / 'iter_12.pth')
    assert resumed == {step: noted for step, noted in first.items() if step > 12}


def test_roll_back__a_second_one_to_the_same_checkpoint_has_an_order_of_its_own(tmp_path):
    losses = []
    for name, steps in (('once', (8,)), ('twice', (8, 8))):
        cfg = noisy_config(tmp_path / name, STEPS, 'InfiniteSampler', every=3)
        losses.append(run(cfg, hooks=(Back(tmp_path / name / 'iter_3.pth', *steps),))[1])
    assert losses[0][4] != losses[1][4]


def test_roll_back__restores_ema_and_the_schedule(tmp_path):
    """The weights that are averaged and the momenta are those of the checkpoint."""
    cfg = noisy_config(tmp_path / 'run', STEPS, 'InfiniteSampler')
    cfg.custom_hooks = [dict(type='EMAHook', momentum=0.5)]

    class Compare(Back):
        def after_roll_back(self, runner):
            saved = torch.load(self.checkpoint, weights_only=False)
            (ema,) = (hook for hook in runner.hooks if type(hook).__name__ == 'EMAHook')
            averaged = {k: v for k, v in ema.ema_model.state_dict().items() if k != 'steps'}
            for name, value in averaged.items():
                assert torch.equal(value, saved['state_dict'][name.removeprefix('module.')])
            assert ema.ema_model.steps == saved['ema_state_dict']['steps'] == 3
            for index, state in runner.optim_wrapper.state_dict()['state'].items():
                assert torch.equal(state['exp_avg'], saved['optimizer']['state'][index]['exp_avg'])
            assert runner.param_schedulers[0].last_step == 3 and runner.iter == 3
            self.restored.append(torch.ones(()))

    back = Compare(tmp_path / 'run' / 'iter_3.pth', 8)
    run(cfg, hooks=(back,))
    assert len(back.restored) == 1
