"""Runs whose steps are not finite: they skip, go back, stop, and say so."""

import json
import math
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapperDict

from mae_transfer.hooks import NonFiniteGuardHook, nonfinite_guard
from mae_transfer.hooks.nonfinite_guard import NonFiniteRunError
from mae_transfer.optim.finite_steps import FiniteSteps
from mae_transfer.run.errors import user_sentence
from tests.references import spoilt_ranks
from tests.support.ranks import run_ranks
from tests.support.spoilt_steps import build, spoilt_config


def guard_of(runner) -> NonFiniteGuardHook:
    return next(hook for hook in runner.hooks if isinstance(hook, NonFiniteGuardHook))


def train(cfg):
    """Train to the end; return the runner and its warnings about steps."""
    runner, warnings = build(cfg)
    runner.train()
    return runner, [line for line in warnings if 'skipped' in line]


def assert_finite_checkpoints(work_dir: Path) -> None:
    paths = list(work_dir.glob('iter_*.pth'))
    assert paths
    for path in paths:
        weights = torch.load(path, weights_only=False)['state_dict']
        assert all(value.isfinite().all() for value in weights.values())


class SpoilsTheLastStep(Hook):
    """Leaves weights that are not finite behind."""

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == runner.max_iters:
            next(runner.model.parameters()).data.fill_(math.inf)


def test_run__skips_a_picture_that_is_not_finite_and_names_it(tmp_path):
    cfg = spoilt_config(tmp_path / 'a', counts=2, points=[5])
    cfg.default_hooks.nonfinite.keep_bundles = 2
    runner, lines = train(cfg)
    hook = guard_of(runner)
    assert len(hook.skipped) == 3 and hook.rollbacks == 0  # 12 steps of 8, of 32 points
    first = hook.skipped[0]
    assert lines[0] == (
        f'iteration {first} was skipped: its loss is nan, gradient norm nan; pictures 5.jpg (of '
        '8); these pictures, or their annotations, are not finite themselves; 1 skipped so far, 1 '
        f'in a row; kept as {tmp_path}/a/nonfinite/iter_{first}'
    )
    assert lines[2].endswith('2 are kept already')
    assert lines[3].startswith('steps of this run that were skipped, as they were not finite: 3')
    assert_finite_checkpoints(tmp_path / 'a')
    kept = sorted((tmp_path / 'a' / 'nonfinite').iterdir())
    assert len(kept) == 2
    incident = json.loads((kept[0] / 'incident.json').read_text())
    assert incident['wrong_pictures'] == ['5.jpg'] and len(incident['pictures']) == 8
    meta = torch.load(tmp_path / 'a' / 'iter_12.pth', weights_only=False)['meta']
    assert meta['nonfinite_steps'] == dict(skipped=hook.skipped, rollbacks=0)


def test_run__that_is_finite_is_the_same_with_and_without_the_guard(tmp_path):
    states = []
    for name in ('with', 'without'):
        cfg = spoilt_config(tmp_path / name, counts=2)
        if name == 'without':
            del cfg.default_hooks['nonfinite']
        runner, lines = train(cfg)
        assert lines == []
        states.append([runner.model.state_dict(), runner.optim_wrapper.state_dict()])
        norms = runner.message_hub.log_scalars['train/grad_norm'].data[0].tolist()
        states[-1].append(norms)
    assert len(norms) == 12
    torch.testing.assert_close(*states, rtol=0, atol=0)


def test_run__logs_the_norm_without_clipping_too(tmp_path):
    cfg = spoilt_config(tmp_path / 'a')
    del cfg.optim_wrapper['clip_grad']
    runner, _ = train(cfg)
    norms = runner.message_hub.log_scalars['train/grad_norm'].data[0]
    assert len(norms) == 12 and (norms > 0).all()


@pytest.mark.parametrize(
    ('kind', 'words'),
    [
        ('loss', 'the first module with a non-finite output is SpoiltLine;'),
        ('output', 'the first module with a non-finite output is norm, whose input is not'),
        ('gradient', 'all outputs are finite, the gradient is not, among others that of norm.bias'),
    ],
)
def test_run__names_where_a_step_ceases_to_be_finite(kind, words, tmp_path):
    runner, lines = train(spoilt_config(tmp_path / 'a', steps=[4], kind=kind))
    assert words in lines[0]
    assert guard_of(runner).skipped == [4]
    assert ('its loss is nan' in lines[0]) == (kind == 'output')
    assert runner.model.norm.running_mean.isfinite().all()


def test_run__goes_back_after_three_skipped_steps_in_a_row(tmp_path):
    runner, lines = train(spoilt_config(tmp_path / 'a', steps=[2, 5, 6, 7, 9]))
    hook = guard_of(runner)
    # Not to iter_6, which was written within these three steps, with the weights they began with.
    assert runner.train_loop.rolled_back == [(6, f'{tmp_path}/a/iter_3.pth')]
    assert hook.skipped == [2, 5, 6, 7, 5]  # the ninth step is the fifth iteration once more
    assert hook.rollbacks == 1
    assert '3 steps in a row were skipped, up to iteration 7: the run goes back to' in lines[4]
    assert runner.iter == 12
    assert_finite_checkpoints(tmp_path / 'a')


def test_run__may_be_told_to_go_back_after_a_single_step(tmp_path):
    cfg = spoilt_config(tmp_path / 'a', after=4)
    cfg.default_hooks.nonfinite.update(max_in_row=1, max_rollbacks=0)
    with pytest.raises(NonFiniteRunError, match='not finite in 1 step in a row and in 1 altoge'):
        build(cfg)[0].train()


def test_run__stops_after_it_went_back_three_times(tmp_path):
    runner, warnings = build(spoilt_config(tmp_path / 'a', after=4))
    with pytest.raises(NonFiniteRunError) as caught:
        runner.train()
    sentence = user_sentence(caught.value)
    assert sentence.startswith(
        'the run stopped at iteration 6: its loss or gradient was not finite in 3 steps in a row '
        'and in 12 altogether (iteration 5, 6, 7 and 9 more), and the run has gone back to a '
        f'checkpoint 3 times already; look at the steps kept in {tmp_path}/a/nonfinite'
    )
    assert len(runner.train_loop.rolled_back) == 3
    assert_finite_checkpoints(tmp_path / 'a')


def test_run__whose_weights_are_spoilt_goes_back_to_those_of_the_checkpoint(tmp_path):
    runner, lines = train(spoilt_config(tmp_path / 'a', steps=[5], kind='weights'))
    assert guard_of(runner).skipped == [5, 6, 7]
    assert 'the weights are not finite, the first of them is norm.bias' in lines[0]
    assert_finite_checkpoints(tmp_path / 'a')
    kept = tmp_path / 'a' / 'nonfinite' / 'iter_5'
    assert not (kept / 'weights.pth').exists()
    assert json.loads((kept / 'incident.json').read_text())['last_good'].endswith('iter_3.pth')


def test_run__with_a_huge_learning_rate_stops_and_keeps_what_is_good(tmp_path):
    cfg = spoilt_config(tmp_path / 'a')
    cfg.param_scheduler = None
    cfg.optim_wrapper.optimizer.lr = 1e20
    cfg.default_hooks.checkpoint.interval = 1
    runner, _ = build(cfg)
    with pytest.raises(NonFiniteRunError, match='lower learning rate'):
        runner.train()


def test_run__that_ends_with_weights_that_are_not_finite_is_an_error(tmp_path):
    """No step follows whose loss could tell."""
    cfg = spoilt_config(tmp_path / 'a')
    cfg.default_hooks.checkpoint.interval = 1
    runner, _ = build(cfg)
    runner.register_hook(SpoilsTheLastStep(), priority='LOW')
    last = runner.max_iters
    with pytest.raises(
        NonFiniteRunError, match=f'ended at iteration {last} with weights'
    ) as caught:
        runner.train()
    assert f'the last good checkpoint is {tmp_path / "a" / f"iter_{last - 1}.pth"}' in str(
        caught.value
    )
    assert not (tmp_path / 'a' / f'iter_{last}.pth').exists()


def test_run__without_a_checkpoint_stops_at_once(tmp_path):
    runner, _ = build(spoilt_config(tmp_path / 'a', after=0))
    with pytest.raises(NonFiniteRunError, match='no good checkpoint of this run yet') as caught:
        runner.train()
    assert 'at iteration 3' in str(caught.value)
    assert not list((tmp_path / 'a').glob('*.pth'))


def test_run__with_a_loop_that_cannot_go_back_stops(tmp_path):
    cfg = spoilt_config(tmp_path / 'a', after=4)
    cfg.train_cfg.type = 'IterBasedTrainLoop'
    runner, _ = build(cfg)
    with pytest.raises(NonFiniteRunError, match="train_cfg.type='IterBasedTrainLoop' cannot go"):
        runner.train()


def test_run__judged_one_step_later_skips_and_goes_back_as_well(tmp_path, monkeypatch):
    """As on a GPU with a fused optimizer; the step that had begun is undone with the others."""
    options = []

    def deferred(wrapper, learn, defer):
        options.append(defer)
        return FiniteSteps(wrapper, learn, defer=True)

    monkeypatch.setattr(nonfinite_guard, 'FiniteSteps', deferred)
    cfg = spoilt_config(tmp_path / 'a', steps=[2, 3, 7, 8, 9], kind='output')
    cfg.model.norm = False
    cfg.optim_wrapper.optimizer.fused = True
    runner, lines = train(cfg)
    assert guard_of(runner).skipped == [2, 3, 7, 8, 9]
    assert runner.train_loop.rolled_back == [(9, f'{tmp_path}/a/iter_6.pth')]
    assert 'its loss is nan' in lines[0]
    assert options == [None]
    assert_finite_checkpoints(tmp_path / 'a')
    assert runner.iter == 12


def test_counts__go_on_in_a_resumed_run_and_not_in_one_that_starts_from_its_weights(tmp_path):
    train(spoilt_config(tmp_path / 'a', steps=[2], max_iters=6))
    for resume, expected in ((True, [2, 7]), (False, [1])):
        cfg = spoilt_config(tmp_path / f'resume-{resume}', steps=[1], max_iters=9)
        cfg.load_from, cfg.resume = str(tmp_path / 'a' / 'iter_6.pth'), resume
        runner, _ = train(cfg)
        assert guard_of(runner).skipped == expected


def test_hook__says_so_if_it_cannot_guard(tmp_path):
    runner, warnings = build(spoilt_config(tmp_path / 'a'))
    runner.optim_wrapper = OptimWrapperDict()
    hook = guard_of(runner)
    hook.before_train(runner)
    hook.after_train_iter(runner, 0)
    hook.after_train(runner)
    assert warnings == [
        'NonFiniteGuardHook does not guard this run: its optim_wrapper is of the type '
        'OptimWrapperDict, not one OptimWrapper'
    ]


def test_hook__judges_at_once_where_running_statistics_may_be_spoilt(tmp_path, monkeypatch):
    """Before they are averaged or saved."""
    options = []

    def spy(wrapper, learn, defer):
        options.append(defer)
        return FiniteSteps(wrapper, learn, defer)

    monkeypatch.setattr(nonfinite_guard, 'FiniteSteps', spy)
    train(spoilt_config(tmp_path / 'a', max_iters=6))
    assert options == [False]


def test_run__goes_on_if_a_forward_pass_cannot_be_repeated(tmp_path, monkeypatch):
    def fail(*args):
        raise KeyError('a second pass')

    monkeypatch.setattr(nonfinite_guard, 'run_parts', fail)
    runner, lines = train(spoilt_config(tmp_path / 'a', steps=[4]))
    assert "its forward pass failed when it was repeated: KeyError('a second pass')" in lines[0]
    assert runner.iter == 12


@pytest.mark.parametrize(
    'options', [dict(max_in_row=0), dict(max_rollbacks=-1), dict(keep_bundles=1.5)]
)
def test_hook__refuses_what_is_no_count(options):
    ((name, value),) = options.items()
    with pytest.raises(ValueError, match=rf'{name}={value}\): must be a whole number'):
        NonFiniteGuardHook(**options)


def test_bundle__that_cannot_be_written_does_not_stop_a_run(tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(nonfinite_guard, 'write_bundle', full)
    runner, lines = train(spoilt_config(tmp_path / 'a', steps=[4]))
    assert lines[0].endswith('not kept: [Errno 28] No space left on device')
    assert math.isfinite(float(runner.message_hub.get_scalar('train/loss').current()))


@pytest.mark.slow
def test_ranks__all_skip_and_go_back_if_one_is_spoilt(tmp_path):
    run_ranks(spoilt_ranks.main, tmp_path, folder=tmp_path)
