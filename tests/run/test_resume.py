"""Runs that are resumed with other options: rates, moments and words."""

import json

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from mae_transfer.loops.steady_order import ORDER_SEED
from mae_transfer.run import train
from tests.support.changed_runs import NoteSettings, config, run

ITERATIONS = dict(type='AccumulatingIterTrainLoop', max_iters=12)
EPOCHS = dict(type='AccumulatingEpochTrainLoop', max_epochs=4)  # of 8 steps
LR = 'optim_wrapper.optimizer.lr'
LONGER = {'train_cfg.max_iters': 20, 'param_scheduler.1.end': 20, 'param_scheduler.1.T_max': 16}
SHARDED = dict(
    runner_type='FlexibleRunner', strategy=dict(type='FullyShardStrategy'), env_cfg=dict()
)
REGROUPED = {'optim_wrapper.paramwise_cfg.layer_decay_rate': 1}


@pytest.fixture(scope='module')
def work_dirs(tmp_path_factory):
    """A run of iterations with all checkpoints, and one of epochs."""
    folder = tmp_path_factory.mktemp('resumed')
    every = {'default_hooks.checkpoint.interval': 1}
    run(config(folder / 'iterations', ITERATIONS, every))
    run(config(folder / 'epochs', EPOCHS, every | {'default_hooks.checkpoint.by_epoch': True}))
    run(config(folder / 'steps', EPOCHS, every))
    return folder


@pytest.fixture
def resume(work_dirs, tmp_path):
    """Resume iteration 6 with changes; returns what was seen, and its checkpoint."""

    def start(changes, file='iterations/iter_6.pth', loop=ITERATIONS, **arguments):
        saves = {'default_hooks.checkpoint.interval': 1}
        if file.startswith('epochs'):
            saves['default_hooks.checkpoint.by_epoch'] = True
        cfg = config(tmp_path / 'resumed', loop, saves | changes)
        checkpoint = work_dirs / file
        seen = run(cfg, resume=checkpoint, **arguments)
        return cfg, seen, torch.load(checkpoint, weights_only=False)

    return start


def assert_as_from_the_start(cfg, seen, tmp_path, **arguments):
    fresh = run(cfg, work_dir=tmp_path / 'fresh', **arguments)
    assert seen.steps and all(seen.steps[i] == fresh.steps[i] for i in seen.steps)


def moments_of(checkpoint):
    groups = checkpoint['meta']['run_facts']['groups']
    names = [name for group in groups for name in group['names']]
    return {name: checkpoint['optimizer']['state'][i]['exp_avg'] for i, name in enumerate(names)}


def test_resume__with_the_same_options_says_nothing_and_is_as_before(resume, work_dirs):
    _, seen, checkpoint = resume({})
    assert seen.told == []
    assert seen.steps[6][0]['lr'] == checkpoint['optimizer']['param_groups'][0]['lr']
    facts = checkpoint['meta']['run_facts']
    assert json.loads(json.dumps(facts)) == facts


@pytest.mark.parametrize(
    'changes, words',
    [
        ({LR: 0.02}, ['0.01 -> 0.02; in iteration 7 the learning rate is 0.01707']),
        (LONGER, ['length 12 -> 20 iterations', 'T_max 8 -> 16, end 12 -> 20; in iteration 7']),
        (REGROUPED, ['layer decay (optim_wrapper.paramwise_cfg.layer_decay_rate) 0.5 -> 1']),
        (
            {LR: 0.02, **SHARDED},
            ['learning rate', 'runner_type not set -> ', 'strategy not set -> '],
        ),
        (
            {
                'param_scheduler': [
                    dict(type='WarmupUnderCosineLR', warmup=2, end=12, by_epoch=False),
                    dict(type='LinearMomentum', end=9, by_epoch=False),
                ]
            },
            ['LinearLR 0 to 4, CosineAnnealingLR 4 to 12 -> WarmupUnderCosineLR 0 to 12, Linear'],
        ),
        (
            {
                'param_scheduler': None,
                'optim_wrapper.optimizer.weight_decay': 0.3,
                'optim_wrapper.optimizer.betas': (0.8, 0.99),
            },
            ['-> none', 'weight decay (', '.betas) [0.9, 0.999] -> [0.8, 0'],
        ),
    ],
)
def test_resume__applies_and_says_each_change(resume, tmp_path, changes, words):
    """Settings of all groups are those of a run that had them from the start; moments stay."""
    cfg, seen, checkpoint = resume(changes)
    assert len(seen.told) == len(words)
    for word, told in zip(words, seen.told, strict=True):
        assert word in told
    torch.testing.assert_close(seen.moments, moments_of(checkpoint), rtol=0, atol=0)
    assert_as_from_the_start(cfg, seen, tmp_path)
    assert run(cfg, resume='latest').told == []


def test_resume__with_a_frozen_part_that_is_trained_again(tmp_path):
    """The state of the others follows their names, not their numbers."""
    every = {'default_hooks.checkpoint.interval': 1}
    run(config(tmp_path / 'a', ITERATIONS, {'model.frozen': True, **every}))
    seen = run(config(tmp_path / 'b', ITERATIONS), resume=tmp_path / 'a/iter_6.pth')
    assert 'trained from now on, with moments that start at zero: 2 parameters' in seen.told[-1]
    saved = moments_of(torch.load(tmp_path / 'a/iter_6.pth', weights_only=False))
    assert len(saved) == 4
    torch.testing.assert_close(seen.moments, saved, rtol=0, atol=0)


def test_resume__of_epochs_that_have_another_length(resume, tmp_path):
    """At the end of an epoch the epochs count; within one it is refused."""
    batch = {'train_dataloader.batch_size': 4}
    cfg, seen, _ = resume(batch, 'epochs/epoch_2.pth', EPOCHS)
    assert min(seen.steps) == 2 * 4 and max(seen.steps) == 4 * 4 - 1
    assert '; the run goes on at iteration 8' in seen.told[1]
    assert_as_from_the_start(cfg, seen, tmp_path)
    with pytest.raises(ValueError, match='an epoch has 8 -> 4 steps, and .* is within one'):
        resume(batch, 'steps/iter_11.pth', EPOCHS)


def test_resume__of_epochs_as_iterations(resume, tmp_path):
    cfg, seen, _ = resume({}, 'epochs/epoch_2.pth', EPOCHS, iters=30)
    assert seen.told[0] == 'length 4 epochs -> 30 iterations'
    assert_as_from_the_start(cfg, seen, tmp_path, iters=30)


@pytest.mark.parametrize(
    'changes, words',
    [
        ({'optim_wrapper.optimizer.type': 'NAdam'}, "type 'AdamW' -> 'NAdam': the state in"),
        ({'optim_wrapper.optimizer.amsgrad': True}, 'amsgrad False -> True needs a state'),
        ({'model.width': 6}, r'model.width not set -> 6 does not fit .* \(4,\) -> \(6,\); keep'),
        ({'train_cfg': dict(EPOCHS, _delete_=True)}, 'run of 12 iterations, and this one has 4'),
    ],
)
def test_resume__refuses_what_the_run_cannot_go_on_with(resume, changes, words):
    with pytest.raises(ValueError, match=words) as refused:
        resume(changes)
    assert '\n' not in str(refused.value)


def test_resume__refuses_other_classes_if_the_model_has_some(resume, tmp_path):
    other = {'train_dataloader.dataset.classes': ('a', 'c')}
    assert "classes ['a', 'b'] -> ['a', 'c']" in resume(other)[1].told
    every = {'default_hooks.checkpoint.interval': 1, 'model.num_classes': 2}
    run(config(tmp_path / 'a', ITERATIONS, every))
    with pytest.raises(ValueError, match="trained on other classes: class 1 is 'b' -> 'c'"):
        run(config(tmp_path / 'b', ITERATIONS, every | other), resume=tmp_path / 'a/iter_6.pth')


def test_resume__with_another_seed_uses_it(resume):
    """MMEngine would go back to that of the checkpoint."""
    cfg, seen, _ = resume({'randomness.seed': 4})
    assert seen.told == ['seed 3 -> 4; the data come in another order from iteration 7 on']
    saved = torch.load(f'{cfg.work_dir}/iter_12.pth', weights_only=False)
    assert saved['meta']['seed'] == 4


def test_resume__with_another_seed_keeps_the_order_of_the_loop(work_dirs, tmp_path, monkeypatch):
    """Loops note the seed of their order in the message hub, which MMEngine restores."""
    resumed = None

    class NotedOrder(NoteSettings):
        def before_run(self, runner):
            runner.message_hub.update_info(ORDER_SEED, 44)
            super().before_run(runner)

        def before_train(self, runner):
            nonlocal resumed
            resumed = runner.message_hub.get_info(ORDER_SEED)
            super().before_train(runner)

    monkeypatch.setitem(HOOKS.module_dict, 'NoteSettings', NotedOrder)
    content = torch.load(work_dirs / 'iterations/iter_6.pth', weights_only=False)
    content['message_hub']['runtime_info'][ORDER_SEED] = 33
    content['message_hub']['resumed_keys'][ORDER_SEED] = True
    torch.save(content, tmp_path / 'iter_6.pth')
    for seed, expected in ((3, 33), (4, 44)):
        cfg = config(tmp_path / f'{seed}', ITERATIONS, {'randomness.seed': seed})
        run(cfg, resume=tmp_path / 'iter_6.pth')
        assert resumed == expected


@pytest.mark.parametrize('lost', ['run_facts', 'optimizer', 'param_schedulers'])
def test_resume__of_a_checkpoint_that_lacks_something(work_dirs, tmp_path, lost):
    content = torch.load(work_dirs / 'iterations/iter_6.pth', weights_only=False)
    (content['meta'] if lost == 'run_facts' else content).pop(lost)
    torch.save(content, tmp_path / 'iter_6.pth')
    every = {'default_hooks.checkpoint.interval': 1, LR: 0.02}
    cfg = config(tmp_path / 'b', ITERATIONS, every)
    seen = run(cfg, resume=tmp_path / 'iter_6.pth')
    if lost == 'run_facts':
        (told,) = seen.told
        assert 'does not state the options that it was trained with' in told
        assert seen.steps[6][0]['initial_lr'] == 0.01
    else:
        expected = ['no state of the optimizer'] if lost == 'optimizer' else []
        assert [word for word in expected if word in seen.told[-1]] == expected
        assert_as_from_the_start(cfg, seen, tmp_path)


@HOOKS.register_module()
class GoBack(Hook):
    """Resume an early checkpoint of the former run in the middle of this one, once."""

    priority = 'LOWEST'  # after the schedulers have moved

    def __init__(self, checkpoint):
        self.checkpoint = checkpoint

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if self.checkpoint and runner.iter == 8:
            runner.resume(self.checkpoint)
            self.checkpoint = None
            runner.train_loop._iter -= 1  # the loop adds one


def test_resume__within_a_run_keeps_its_options(work_dirs, tmp_path):
    """A checkpoint from before the change, when rates and schedulers have moved on."""
    cfg = config(tmp_path / 'b', ITERATIONS, {LR: 0.02, **LONGER})
    fresh = run(cfg, work_dir=tmp_path / 'fresh')
    former = work_dirs / 'iterations'
    cfg.custom_hooks.append(dict(type='GoBack', checkpoint=str(former / 'iter_3.pth')))
    train(cfg, resume=former / 'iter_6.pth')
    seen = NoteSettings.seen.steps
    assert sorted(seen) == list(range(3, 20))
    assert all(seen[i] == fresh.steps[i] for i in seen)
