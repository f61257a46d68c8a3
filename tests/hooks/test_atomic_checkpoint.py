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
from mmengine.model import BaseModel
from mmengine.runner import Runner

from mae_transfer.checkpoints.files.checkpoint_file import find_checkpoint
from mae_transfer.checkpoints.files.last_checkpoint import POINTER
from mae_transfer.hooks.atomic_checkpoint import AtomicCheckpointHook
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


def make_runner(work_dir: Path, max_iters: int, model: BaseModel | None = None, **hook) -> Runner:
    hook = dict(type='AtomicCheckpointHook', by_epoch=False, interval=1, max_keep_ckpts=1) | hook
    return short_runner(
        work_dir,
        model or Counter(),
        torch.zeros(1),
        max_iters,
        default_hooks=dict(checkpoint=hook, logger=None, timer=None),
        resume=True,
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
