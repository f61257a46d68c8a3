"""Runs that are killed while they write checkpoints: there is always one to go on from."""

import multiprocessing
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import EMAHook, Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner

from mae_transfer.checkpoints.files.checkpoint_file import find_checkpoint
from mae_transfer.checkpoints.files.last_checkpoint import POINTER
from mae_transfer.hooks.atomic_checkpoint import AtomicCheckpointHook, _agree
from tests.support.ranks import torchrun_variables
from tests.support.runners import short_runner

FORK = multiprocessing.get_context('fork')
DEFAULT_RUNTIME = Path(__file__).resolve().parents[2] / 'configs/_base_/default_runtime.py'


class Counter(BaseModel):
    """Counts its training steps; the ballast makes writing it take a while."""

    def __init__(self, ballast: int = 0):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.register_buffer('steps', torch.zeros(()))
        self.register_buffer('ballast', torch.rand(ballast))

    def forward(self, inputs, mode='tensor'):
        if mode == 'loss':
            self.steps += 1
        return {'loss': self.weight.square().sum()}


OF_RUNNER = ('custom_hooks', 'load_from', 'optim_wrapper', 'train_cfg')


def make_runner(work_dir: Path, max_iters: int, model: BaseModel | None = None, **hook) -> Runner:
    options = {name: hook.pop(name) for name in OF_RUNNER if name in hook}
    hook = dict(type='AtomicCheckpointHook', by_epoch=False, interval=1, max_keep_ckpts=1) | hook
    return short_runner(
        work_dir,
        model or Counter(),
        torch.zeros(1),
        max_iters,
        default_hooks=dict(checkpoint=hook, logger=None, timer=None),
        resume=True,
        **options,
    )


def hook_of(runner: Runner) -> AtomicCheckpointHook:
    return next(hook for hook in runner.hooks if isinstance(hook, AtomicCheckpointHook))


def latest(work_dir: Path) -> dict:
    """Load the checkpoint that `resume` finds."""
    return torch.load(find_checkpoint(work_dir), weights_only=False)


def run_and_wait(target, *arguments) -> int:
    """Run in a process of its own; return its exit code, -9 when it was killed."""
    process = FORK.Process(target=target, args=arguments)
    process.start()
    process.join(60)
    assert process.exitcode is not None
    return process.exitcode


def kill_at_event(count: int, folder: Path) -> None:
    """End this process before its ``count``-th opening, renaming or removing of a checkpoint."""
    left = [count]

    def watch(event: str, arguments: tuple) -> None:
        if event not in ('open', 'os.rename', 'os.remove'):
            return
        path = str(arguments[0])
        if path.startswith(str(folder)) and ('.pth' in path or POINTER in path):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def save_twice(runner: Runner, count: int, folder: Path) -> None:
    """Save the next checkpoint, then a better one, and be killed on the way."""
    kill_at_event(count, folder)
    hook = hook_of(runner)
    hook._save_checkpoint(runner)
    runner.train_loop._iter += 1  # as the loop does before it evaluates
    hook._save_best_checkpoint(runner, {'acc': 0.9, 'IoU': 0.9})


def test_atomic_checkpoint_hook__killed_at_every_step(tmp_path):
    """With one checkpoint kept, the worst case: it is replaced at each saving."""
    work_dir = tmp_path / 'run'
    runner = make_runner(work_dir, max_iters=2, save_best='acc', rule='greater')
    runner.train()
    hook_of(runner)._save_best_checkpoint(runner, {'acc': 0.5})
    first = latest(work_dir)
    assert first['meta']['iter'] == 2
    before = sorted(path.name for path in work_dir.glob('*.pth'))
    assert before == ['best_acc_iter_2.pth', 'iter_2.pth']
    shutil.copytree(work_dir, tmp_path / 'start')

    count, exit_code, seen = 0, -signal.SIGKILL, set()
    while exit_code == -signal.SIGKILL:
        shutil.rmtree(work_dir)
        shutil.copytree(tmp_path / 'start', work_dir)
        count += 1
        exit_code = run_and_wait(save_twice, runner, count, work_dir)
        found = latest(work_dir)
        assert found['meta']['iter'] in (2, 3)
        seen.add(found['meta']['iter'])
        best = found['message_hub']['runtime_info']['best_ckpt']
        torch.load(best, weights_only=False)  # what the run would go on comparing with
    assert exit_code == 0
    assert count >= 10  # writing three files and the pointer twice, removing two
    assert seen == {2, 3}
    after = sorted(path.name for path in work_dir.glob('*.pth'))
    assert after == ['best_acc_iter_3.pth', 'iter_3.pth']


def train_for_ever(work_dir: Path) -> None:
    torch.set_num_threads(1)
    Runner._log_env = lambda *_: None  # it asks compilers for their versions
    make_runner(work_dir, 10**9, Counter(ballast=2_000_000), max_keep_ckpts=2).train()


@pytest.mark.slow
def test_atomic_checkpoint_hook__killed_at_random_moments(tmp_path):
    """Forty runs, each resumed from what the last one left when it was killed while writing."""
    rng = random.Random(0)
    pointer = tmp_path / POINTER
    iteration = unfinished = 0
    for _ in range(40):
        start = pointer.stat().st_mtime_ns if pointer.exists() else 0
        process = FORK.Process(target=train_for_ever, args=(tmp_path,))
        process.start()
        deadline = time.monotonic() + 60
        while not pointer.exists() or pointer.stat().st_mtime_ns == start:  # one is written
            assert time.monotonic() < deadline and process.is_alive()
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.15))
        process.kill()
        process.join()
        found = latest(tmp_path)
        assert found['meta']['iter'] > iteration
        iteration = found['meta']['iter']
        assert found['state_dict']['steps'] == iteration  # no run began from scratch
        leftovers = list(tmp_path.glob('.*.tmp'))
        assert len(leftovers) <= 1  # the next run removes it
        unfinished += len(leftovers)
    assert unfinished >= 5  # many were in the middle of writing


def test_atomic_checkpoint_hook__keeps_the_last_ones_and_the_best(tmp_path):
    runner = make_runner(tmp_path, 5, max_keep_ckpts=2, save_best=['acc', 'IoU'], rule='greater')
    runner.train()
    hook = hook_of(runner)

    def files():
        return sorted(path.name for path in tmp_path.glob('*.pth'))

    assert files() == ['iter_4.pth', 'iter_5.pth']
    hook._save_best_checkpoint(runner, {'acc': 0.5, 'IoU': 0.5})
    assert files() == ['best_IoU_iter_5.pth', 'best_acc_iter_5.pth', 'iter_4.pth', 'iter_5.pth']
    runner.train_loop._iter = 6
    hook._save_best_checkpoint(runner, {'acc': 0.6, 'IoU': 0.5})
    assert files() == ['best_IoU_iter_5.pth', 'best_acc_iter_6.pth', 'iter_5.pth', 'iter_6.pth']
    hook._save_best_checkpoint(runner, {'acc': 0.7, 'IoU': 0.4})  # the same name once more
    assert files() == ['best_IoU_iter_5.pth', 'best_acc_iter_6.pth', 'iter_5.pth', 'iter_6.pth']
    assert hook.best_ckpt_path_dict['IoU'].endswith('best_IoU_iter_5.pth')
    assert (tmp_path / 'last_checkpoint').read_text() == str(tmp_path / 'iter_6.pth')
    saved = latest(tmp_path)['message_hub']['runtime_info']
    assert saved['keep_ckpt_ids'] == [5, 6]


def test_atomic_checkpoint_hook__next_run_removes_what_is_unfinished(tmp_path):
    half = tmp_path / '.iter_7.pth.99.tmp'
    half.write_bytes(b'half')
    os.utime(half, (1, 1))
    (tmp_path / '.notes.txt.swp').touch()
    make_runner(tmp_path, 1).train()
    assert not half.exists()
    assert (tmp_path / '.notes.txt.swp').exists()


def test_atomic_checkpoint_hook__is_the_one_of_every_recipe():
    cfg = Config.fromfile(DEFAULT_RUNTIME)
    assert cfg.default_hooks.checkpoint.type == 'AtomicCheckpointHook'


def test_atomic_checkpoint_hook__deprecated_way_of_writing():
    with pytest.raises(ValueError, match='file_client_args=.* use backend_args'):
        AtomicCheckpointHook(interval=1, file_client_args=dict(backend='disk'))


class SaveNow(Hook):
    """Call ``save_now`` after some steps and epochs, as a hook of the last priority does."""

    priority = 'LOWEST'

    def __init__(self, steps=(), epochs=()):
        self.steps, self.epochs, self.returned = steps, epochs, []

    def _save(self, runner):
        hook = hook_of(runner)
        path = hook.save_now(runner)
        assert hook.save_now(runner) == path  # a second time changes nothing
        meta = torch.load(path, weights_only=False)['meta']
        self.returned.append((Path(path).name, meta['epoch'], meta['iter']))
        assert Path(runner.work_dir, POINTER).read_text() == path == hook.last_good

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 in self.steps:
            self._save(runner)

    def after_train_epoch(self, runner):
        if runner.epoch + 1 in self.epochs:
            self._save(runner)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob('*.pth'))


def test_save_now__in_a_run_counted_in_iterations(tmp_path):
    """Step 4 is saved anyway; the regular one of 6 removes that of 5, the last one that of 7."""
    runner = make_runner(tmp_path, 8, interval=2, max_keep_ckpts=2)
    witness = SaveNow([4, 5, 7])
    runner.register_hook(witness)
    seen = []
    runner.call_hook = lambda name, call=runner.call_hook, **more: (
        call(name, **more), seen.append(names(tmp_path)) if name == 'after_train_iter' else None
    )  # fmt: skip
    runner.train()
    assert witness.returned == [('iter_4.pth', 0, 4), ('iter_5.pth', 0, 5), ('iter_7.pth', 0, 7)]
    assert seen[4:] == [
        ['iter_2.pth', 'iter_4.pth', 'iter_5.pth'],
        ['iter_4.pth', 'iter_6.pth'],
        ['iter_4.pth', 'iter_6.pth', 'iter_7.pth'],
        ['iter_6.pth', 'iter_8.pth'],
    ]


def test_save_now__in_a_run_counted_in_epochs(tmp_path):
    """Three steps an epoch; the second epoch ends without a regular checkpoint."""
    runner = make_runner(
        tmp_path, 3, by_epoch=True, interval=4, train_cfg=dict(by_epoch=True, max_epochs=3)
    )
    witness = SaveNow([4], [2])
    runner.register_hook(witness)
    runner.train()
    assert witness.returned == [('iter_4.pth', 1, 4), ('epoch_2.pth', 2, 6)]
    assert names(tmp_path) == ['epoch_3.pth']


def test_save_now__the_next_process_removes_it(tmp_path):
    """A run that is stopped after saving at once, and goes on."""
    runner = make_runner(tmp_path, 3, interval=2, save_last=False)
    runner.register_hook(SaveNow([3]))
    runner.train()
    assert names(tmp_path) == ['iter_2.pth', 'iter_3.pth']
    again = make_runner(tmp_path, 4, interval=2)
    again.train()
    assert again.iter == 4 and names(tmp_path) == ['iter_4.pth']


class Diverges(Hook):
    """Spoil a weight, a moment, or a buffer from some step on."""

    def __init__(self, step, spoil):
        self.step, self.spoil = step, spoil

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.step:
            self.spoil(runner)


def spoil_weight(runner):
    runner.model.weight.data.fill_(float('inf'))


def spoil_moment(runner):
    runner.optim_wrapper.optimizer.state[runner.model.weight]['momentum_buffer'].fill_(float('nan'))


def spoil_average(runner):
    ema = next(hook for hook in runner.hooks if isinstance(hook, EMAHook))
    ema.ema_model.module.weight.data.fill_(float('nan'))


def spoil_buffer(runner):
    runner.model.steps.fill_(float('nan'))


@pytest.mark.parametrize('spoil', [spoil_weight, spoil_moment, spoil_average, spoil_buffer])
def test_atomic_checkpoint_hook__does_not_save_what_is_not_finite(tmp_path, spoil):
    """Neither regularly nor as the best nor at once; nothing is removed, and the run goes on."""
    runner = make_runner(
        tmp_path, 2, max_keep_ckpts=1, save_best='acc', rule='greater',
        custom_hooks=[dict(type='EMAHook')],
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.0, momentum=0.9)),
    )  # fmt: skip
    runner.register_hook(Diverges(2, spoil), priority='HIGH')
    warnings = []
    runner.logger.warning = warnings.append
    runner.train()
    hook = hook_of(runner)
    hook._save_best_checkpoint(runner, {'acc': 0.5})
    assert hook.save_now(runner) is None
    assert names(tmp_path) == ['iter_1.pth']
    assert hook.last_good == str(tmp_path / 'iter_1.pth')
    assert 'best_score' not in runner.message_hub.runtime_info
    assert [step for step, _ in hook.refused] == [2, 2, 2]
    part = spoil.__name__.removeprefix('spoil_')
    expected = dict(moment='momentum_buffer', average='ema.', buffer='steps').get(part, 'weight')
    assert expected in hook.refused[0][1][0]
    told = [text for text in warnings if text.startswith('No checkpoint is saved at iteration 2: ')]
    assert len(told) == 3 and hook.refused[0][1][0] in told[0]


def test_atomic_checkpoint_hook__a_mask_of_infinities_is_no_damage(tmp_path):
    model = Counter()
    model.register_buffer('mask', torch.tensor([0.0, -float('inf')]))
    make_runner(tmp_path, 1, model).train()
    assert latest(tmp_path)['meta']['infinite_buffers'] == ['mask']
    again = make_runner(tmp_path, 2, model)
    again.train()
    assert names(tmp_path) == ['iter_2.pth'] and not hook_of(again).refused


def test_last_good__follows_the_files(tmp_path):
    runner = make_runner(tmp_path, 2, max_keep_ckpts=2)
    hook = hook_of(runner)
    assert hook.last_good is None
    runner.train()
    assert hook.last_good == str(tmp_path / 'iter_2.pth')
    (tmp_path / 'iter_2.pth').unlink()
    assert hook.last_good == str(tmp_path / 'iter_1.pth')
    (tmp_path / POINTER).write_text('iter_1.pth')
    resumed = make_runner(
        tmp_path / 'new', 1, load_from=str(tmp_path / 'iter_1.pth'), interval=9, save_last=False
    )
    resumed.train()
    assert hook_of(resumed).last_good == str(tmp_path / 'iter_1.pth')


def test_roll_back__later_checkpoints_are_written_anew(tmp_path):
    """After steps 1 to 5 the run goes back to 3: of 4 and 5 nothing stays, and 4 is not lost."""
    runner = make_runner(tmp_path, 5, max_keep_ckpts=3)
    runner.train()
    hook = hook_of(runner)
    assert list(hook.keep_ckpt_ids) == [3, 4, 5]
    runner.train_loop._iter = 3  # as the loop does
    hook.after_roll_back(runner)
    assert sorted(path.name for path in tmp_path.glob('*.pth')) == ['iter_3.pth']
    assert hook.last_good == (tmp_path / POINTER).read_text() == str(tmp_path / 'iter_3.pth')
    for step in (3, 4):
        runner.train_loop._iter = step
        hook.after_train_iter(runner, step)
    assert list(hook.keep_ckpt_ids) == [3, 4, 5]
    assert latest(tmp_path)['meta']['iter'] == 5
    assert len(list(tmp_path.glob('*.pth'))) == 3


def test_atomic_checkpoint_hook__a_copied_run_leaves_the_original_alone(tmp_path):
    first = make_runner(tmp_path / 'first', 3, max_keep_ckpts=3, save_best='acc', rule='greater')
    first.train()
    hook_of(first)._save_best_checkpoint(first, {'acc': 0.5})
    shutil.copytree(tmp_path / 'first', tmp_path / 'copy')
    before = names(tmp_path / 'first')
    path = str(tmp_path / 'copy/iter_3.pth')
    copy = make_runner(
        tmp_path / 'copy', 4, load_from=path, max_keep_ckpts=1, save_best='acc', rule='greater'
    )
    copy.train()
    own = str(tmp_path / 'copy/best_acc_iter_3.pth')
    assert hook_of(copy).best_ckpt_path == copy.message_hub.get_info('best_ckpt') == own
    hook_of(copy)._save_best_checkpoint(copy, {'acc': 0.4})  # the best so far is known
    assert names(tmp_path / 'copy') == ['best_acc_iter_3.pth', 'iter_4.pth']
    hook_of(copy)._save_best_checkpoint(copy, {'acc': 0.6})
    assert names(tmp_path / 'copy') == ['best_acc_iter_4.pth', 'iter_4.pth']
    assert names(tmp_path / 'first') == before
    elsewhere = make_runner(
        tmp_path / 'new', 4, load_from=str(tmp_path / 'first/iter_3.pth'), max_keep_ckpts=1,
        save_best='acc', rule='greater',
    )  # fmt: skip
    elsewhere.train()
    hook_of(elsewhere)._save_best_checkpoint(elsewhere, {'acc': 0.6})
    assert names(tmp_path / 'first') == before
    assert names(tmp_path / 'new') == ['best_acc_iter_4.pth', 'iter_4.pth']


def test_atomic_checkpoint_hook__paths_in_a_checkpoint_do_no_harm(tmp_path):
    """A file may say that anything is an outdated checkpoint; only its own folder listens."""
    run = tmp_path / 'run'
    make_runner(run, 1).train()
    victims = [tmp_path / 'victim.pth', tmp_path / 'iter_9.pth', run / 'mine.pth']
    for victim in victims:
        victim.write_bytes(b'precious')
    (run / 'iter_').mkdir()
    content = latest(run)
    content['message_hub']['runtime_info'] |= dict(
        best_ckpt=str(victims[0]), best_ckpt_acc=str(run / 'mine.pth'), last_ckpt=str(victims[0]),
        keep_ckpt_ids=['/../../victim', '../../iter_9', '/../mine', None, 9.0, [1], 1],
        extra_ckpts=['../victim.pth', str(victims[1]), 'mine.pth', 3, ['x']],
    )  # fmt: skip
    torch.save(content, run / 'iter_1.pth')
    for best in ('acc', ['acc', 'IoU']):
        runner = make_runner(run, 3, max_keep_ckpts=1, save_best=best, rule='greater')
        runner.train()
        hook_of(runner)._save_best_checkpoint(runner, {'acc': 1.0, 'IoU': 1.0})
        assert all(victim.read_bytes() == b'precious' for victim in victims)
        torch.save(content, run / 'iter_3.pth')
    for value in (7, 'iter_1', {'a': 1}, None):
        content['message_hub']['runtime_info'] |= dict(
            keep_ckpt_ids=value, extra_ckpts=value, best_ckpt=value
        )
        torch.save(content, run / 'iter_3.pth')
        make_runner(run, 4, save_best='acc', rule='greater').train()


def disagree(environment: dict[str, str]) -> None:
    """The second process alone holds a weight that is not finite, as with FSDP."""
    os.environ.update(environment)
    torch.distributed.init_process_group('gloo')
    broken = ['blocks.0.weight'] if torch.distributed.get_rank() == 1 else []
    assert _agree(broken) == ['blocks.0.weight']
    assert _agree([]) == []
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_atomic_checkpoint_hook__processes_decide_the_same():
    ranks = [FORK.Process(target=disagree, args=(one,)) for one in torchrun_variables()]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join(60)
    assert [rank.exitcode for rank in ranks] == [0, 0]
