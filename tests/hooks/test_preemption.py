"""Signals to a training process: it ends after its step, with a checkpoint of that step."""

import os
import signal
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.registry import HOOKS, METRICS

from mae_transfer.loops.steady_order import VALIDATION_DUE
from mae_transfer.processes.signal_watch import SIGNALS, RunStopped, active_watch
from mae_transfer.run import train
from tests.support.least_squares import config
from tests.support.ranks import run_ranks

ITERATIONS = dict(type='AccumulatingIterTrainLoop', max_iters=12, val_interval=6)
EPOCHS = dict(type='AccumulatingEpochTrainLoop', max_epochs=2)  # of eight steps


@HOOKS.register_module()
class SignalAt(Hook):
    """Send this process a signal at a point of the run.

    Args:
        point: Method of a hook.
        step: Steps made, or index of the step of a validation.
        number: The signal.
        rank: The process that gets it; None is any.
    """

    def __init__(
        self, point: str, step: int, number: int = signal.SIGTERM, rank: int | None = None
    ):
        self.step, self.number, self.seen = step, number, 0
        if rank is None or rank == int(os.environ.get('RANK', 0)):
            setattr(self, point, self._send)

    def _send(self, runner, *args, **kwargs) -> None:
        self.seen += 1
        if self.seen == self.step:
            os.kill(os.getpid(), self.number)


@METRICS.register_module()
class AlwaysHalf(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results.append(0.5)

    def compute_metrics(self, results):
        return {'acc': 0.5}


def validated(work_dir: Path, loop: dict, **signal_at: object) -> Config:
    """A run of EMA with validations of eight steps and a checkpoint every third step or epoch."""
    cfg = config(4, 1, dict(loop), work_dir)
    by_epoch = 'max_epochs' in loop
    cfg.default_hooks.checkpoint = dict(
        type='AtomicCheckpointHook', by_epoch=by_epoch, interval=1 if by_epoch else 3
    )
    cfg.default_hooks.logger = None
    cfg.val_dataloader = {**cfg.train_dataloader, 'sampler': dict(type='DefaultSampler')}
    cfg.val_cfg, cfg.val_evaluator = dict(), dict(type='AlwaysHalf')
    cfg.custom_hooks = [dict(type='EMAHook'), dict(type='SignalAt', **signal_at)]
    return cfg


def stopped(cfg: Config, **options: object) -> RunStopped:
    """Train until a signal stops the run."""
    with pytest.raises(RunStopped) as caught:
        train(cfg, **options)
    return caught.value


def saved(path: str | Path) -> dict:
    return torch.load(path, weights_only=False)


@pytest.mark.parametrize('number', SIGNALS, ids=lambda number: number.name)
def test_preemption__saves_the_step_and_ends_as_shells_expect(tmp_path, capfd, number):
    if signal.getsignal(number) == signal.SIG_IGN:
        pytest.skip('this session ignores it, as under nohup')
    cfg = validated(tmp_path / 'run', ITERATIONS, point='after_train_iter', step=4, number=number)
    stop = stopped(cfg)
    assert stop.code == 128 + number
    assert Path(stop.checkpoint) == tmp_path / 'run' / 'iter_4.pth'
    line = f'stopped by {number.name} after iteration 4: the checkpoint is {stop.checkpoint}; '
    assert capfd.readouterr().out.count(line + '--resume goes on from it\n') == 1
    content = saved(stop.checkpoint)
    assert (content['meta']['epoch'], content['meta']['iter']) == (0, 4)
    assert not content['message_hub']['runtime_info'][VALIDATION_DUE]
    assert not (tmp_path / 'run' / 'run.lock').exists()


def test_preemption__the_resumed_run_goes_on_at_the_next_step(tmp_path):
    """Its file is the one of a run that nobody has stopped."""
    whole = validated(tmp_path / 'whole', ITERATIONS, point='after_train_iter', step=99)
    train(whole)
    cfg = validated(tmp_path / 'run', ITERATIONS, point='before_train_iter', step=4)
    stopped(cfg)
    cfg.custom_hooks[1].step = 99
    train(cfg, resume=True)
    ours, theirs = (saved(tmp_path / name / 'iter_12.pth') for name in ('run', 'whole'))
    for part in ('state_dict', 'ema_state_dict'):
        torch.testing.assert_close(ours[part], theirs[part])
    steps = [[rate['_global_step'] for rate in run['param_schedulers']] for run in (ours, theirs)]
    assert steps[0] == steps[1]


def test_preemption__leaves_a_validation_with_the_weights_of_the_training(tmp_path):
    """EMAHook validates with the averaged weights; the file has both where they belong."""
    whole = validated(tmp_path / 'whole', ITERATIONS, point='after_val_iter', step=99)
    whole.default_hooks.checkpoint.interval = 6
    train(whole)
    cfg = validated(tmp_path / 'run', ITERATIONS, point='after_val_iter', step=2)
    cfg.default_hooks.checkpoint.interval = 9  # so that this step is saved at the signal alone
    stop = stopped(cfg)
    assert 'after iteration 6: the checkpoint is' in str(stop)
    ours, theirs = saved(stop.checkpoint), saved(tmp_path / 'whole' / 'iter_6.pth')
    assert ours['meta']['iter'] == theirs['meta']['iter'] == 6
    for part in ('state_dict', 'ema_state_dict'):
        torch.testing.assert_close(ours[part], theirs[part], rtol=0, atol=0)
    assert not torch.equal(
        ours['state_dict']['layers.0.weight'], ours['ema_state_dict']['module.layers.0.weight']
    )


@pytest.mark.parametrize(
    ('loop', 'point', 'step', 'name', 'meta', 'due'),
    [
        (ITERATIONS, 'after_train_iter', 6, 'iter_6.pth', (0, 6), True),
        (ITERATIONS, 'before_val', 1, 'iter_6.pth', (0, 6), True),
        (ITERATIONS, 'after_train_iter', 12, 'iter_12.pth', (0, 12), True),
        (EPOCHS, 'after_train_iter', 3, 'iter_3.pth', (0, 3), False),
        (EPOCHS, 'after_train_iter', 8, 'epoch_1.pth', (1, 8), True),
        (EPOCHS, 'after_val_iter', 2, 'epoch_1.pth', (1, 8), True),
        (EPOCHS, 'after_train_iter', 11, 'iter_11.pth', (1, 11), False),
    ],
)
def test_preemption__counts_what_is_finished(tmp_path, loop, point, step, name, meta, due):
    """A validation that the run did not come to, or did not end, is the first of the next run."""
    stop = stopped(validated(tmp_path / 'run', loop, point=point, step=step))
    assert stop.code == 143 and Path(stop.checkpoint).name == name
    content = saved(stop.checkpoint)
    assert (content['meta']['epoch'], content['meta']['iter']) == meta
    assert content['message_hub']['runtime_info'][VALIDATION_DUE] is due


def test_preemption__a_regular_checkpoint_before_a_validation_says_so(tmp_path):
    cfg = validated(tmp_path / 'run', ITERATIONS, point='after_train_iter', step=99)
    cfg.default_hooks.checkpoint.save_best = 'acc'
    train(cfg)
    found = {
        name: saved(tmp_path / 'run' / name)['message_hub']['runtime_info'][VALIDATION_DUE]
        for name in ('iter_3.pth', 'iter_9.pth', 'best_acc_iter_6.pth')
    }
    cfg = validated(tmp_path / 'epochs', EPOCHS, point='after_train_iter', step=99)
    cfg.default_hooks.checkpoint.save_best = 'acc'
    train(cfg)
    best = saved(tmp_path / 'epochs' / 'best_acc_epoch_1.pth')
    found['best_acc_epoch_1.pth'] = best['message_hub']['runtime_info'][VALIDATION_DUE]
    assert not any(found.values())
    cfg = validated(tmp_path / 'killed', ITERATIONS, point='before_val_iter', step=99)
    cfg.custom_hooks.append(dict(type='Fail'))
    with pytest.raises(ZeroDivisionError):
        train(cfg)
    assert saved(tmp_path / 'killed' / 'iter_6.pth')['message_hub']['runtime_info'][VALIDATION_DUE]


@HOOKS.register_module()
class Fail(Hook):
    def before_val_iter(self, runner, batch_idx, data_batch=None):
        raise ZeroDivisionError


def test_preemption__a_signal_after_the_last_step_does_not_get_lost(tmp_path):
    """Else a script would go on with its next run."""
    cfg = validated(tmp_path / 'run', ITERATIONS, point='after_train_epoch', step=1)
    stop = stopped(cfg)
    assert stop.code == 143 and stop.checkpoint is None and 'the run is complete' in str(stop)
    assert (tmp_path / 'run' / 'iter_12.pth').exists()


def test_preemption__without_our_checkpoint_hook(tmp_path):
    cfg = validated(tmp_path / 'run', ITERATIONS, point='after_train_iter', step=2)
    cfg.default_hooks.checkpoint = None
    stop = stopped(cfg)
    assert stop.checkpoint is None and 'after iteration 2: it is not saved; ' in str(stop)


def test_preemption__restores_what_signals_do(tmp_path):
    former = [signal.getsignal(number) for number in SIGNALS]
    cfg = validated(tmp_path / 'run', ITERATIONS, point='after_train_iter', step=2)
    stopped(cfg)
    assert [signal.getsignal(number) for number in SIGNALS] == former
    cfg.custom_hooks.append(dict(type='Fail'))
    cfg.custom_hooks[1].step = 99
    with pytest.raises(ZeroDivisionError):
        train(cfg, overwrite=True)
    assert [signal.getsignal(number) for number in SIGNALS] == former
    assert active_watch() is None


def train_in_ranks(folder: Path, point: str, step: int, rank: int) -> None:
    cfg = validated(folder, ITERATIONS, point=point, step=step, rank=rank)
    cfg.val_dataloader.dataset.length = 9  # five or four points for each of the two
    cfg.val_dataloader.batch_size = 1
    cfg.val_dataloader.sampler.round_up = False
    cfg.env_cfg = dict(dist_cfg=dict(backend='gloo'))
    stop = stopped(cfg, launcher='pytorch')
    print(stop.code, Path(stop.checkpoint).name, saved(stop.checkpoint)['meta']['iter'])


@pytest.mark.slow
@pytest.mark.parametrize(
    ('point', 'step', 'rank', 'stopped_at'),
    [('after_train_iter', 4, 1, 5), ('after_val_iter', 4, 0, 7), ('after_val_iter', 2, 1, 6)],
)
def test_preemption__all_processes_stop_after_the_same_step(
    tmp_path, point, step, rank, stopped_at
):
    """One of two gets the signal; in the last step of a validation that both make, it is late."""
    printed = run_ranks(train_in_ranks, tmp_path / 'run', point, step, rank, folder=tmp_path)
    for text in printed:
        assert text.splitlines()[-1] == f'143 iter_{stopped_at}.pth {stopped_at}'
    assert sum(text.count('stopped by SIGTERM') for text in printed) == 1
