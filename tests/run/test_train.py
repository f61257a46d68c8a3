"""mae_transfer.run.train: called from Python, twice, and like any other start of the config."""

import os
import sys
import time
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import HOOKS, METRICS, RUNNERS, DefaultScope
from mmengine.runner import Runner
from mmengine.visualization import Visualizer

from mae_transfer.run import train
from mae_transfer.run.step_time import TIMED, UNTIMED, StepTime, measure_step
from mae_transfer.run.work_dir import read_length
from tests.support.least_squares import config

SEEN: list[tuple[float, float]] = []


@HOOKS.register_module()
class Witness(Hook):
    """Note learning rate and loss of each iteration."""

    priority = 'VERY_HIGH'  # before the scheduler moves the rate

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        rate = runner.optim_wrapper.get_lr()['lr'][0]
        SEEN.append((rate, outputs['loss'].item()))


@METRICS.register_module()
class Half(BaseMetric):
    """A metric that is always 0.5, or 50 percent."""

    def process(self, data_batch, data_samples):
        self.results.append(0.5)

    def compute_metrics(self, results):
        return {'coco/bbox_mAP': sum(results) / len(results)}


@pytest.fixture
def cfg(tmp_path) -> Config:
    """Two forward passes a step, with the loop and the hook of our recipes."""
    cfg = config(2, 2, dict(type='AccumulatingIterTrainLoop', max_iters=6), tmp_path / 'run')
    cfg.default_hooks.checkpoint.interval = -1
    cfg.custom_hooks = [dict(type='LoadAccountHook'), dict(type='Witness')]
    cfg.auto_scale_lr = dict(base_batch_size=4, enable=False)
    SEEN.clear()
    return cfg


def by_runner(cfg: Config) -> None:
    Runner.from_cfg(cfg).train()


def by_sibling(cfg: Config) -> None:
    """Start a config as the train.py of mmdet, mmseg and mmpretrain does."""
    cfg.launcher = 'none'
    cfg.auto_scale_lr.enable = True
    (Runner.from_cfg(cfg) if 'runner_type' not in cfg else RUNNERS.build(cfg)).train()


SHARDED = dict(
    runner_type='FlexibleRunner', strategy=dict(type='FullyShardStrategy'), env_cfg=dict()
)


@pytest.mark.parametrize(
    'start, runner', [(by_runner, {}), (by_sibling, {}), (by_sibling, SHARDED)]
)
def test_train__counts_steps_as_any_other_start(cfg, tmp_path, monkeypatch, start, runner):
    """Steps, rates and losses; the batch of a step is the recipe's for MMEngine's rule, too."""
    steps = []
    step = torch.optim.AdamW.step
    monkeypatch.setattr(torch.optim.AdamW, 'step', lambda *a, **k: steps.append(1) or step(*a, **k))
    cfg.merge_from_dict(runner)
    train(cfg)
    ours, own_steps = list(SEEN), len(steps)
    SEEN.clear()
    cfg.work_dir = str(tmp_path / 'other')
    start(cfg)
    assert own_steps == len(ours) == len(SEEN) == 6 and len(steps) == 12
    torch.testing.assert_close(torch.tensor(SEEN), torch.tensor(ours))
    assert len({rate for rate, _ in ours}) > 3


def test_train__says_the_same_for_a_foreign_config(cfg, tmp_path, capsys):
    """MMEngine's loop becomes the one that counts steps."""
    train(cfg)
    ours = list(SEEN)
    SEEN.clear()
    cfg.train_cfg.type, cfg.custom_hooks = 'IterBasedTrainLoop', [dict(type='Witness')]
    train(cfg, work_dir=tmp_path / 'foreign')
    torch.testing.assert_close(torch.tensor(SEEN), torch.tensor(ours))
    assert capsys.readouterr().out.count('one step = 2 forward passes of 2 images') == 2


def test_train__returns_the_last_validation_and_leaves_the_config_alone(cfg, tmp_path):
    cfg.val_dataloader = {**cfg.train_dataloader, 'sampler': dict(type='DefaultSampler')}
    cfg.val_cfg, cfg.val_evaluator = dict(), dict(type='Half')
    before = cfg.to_dict()
    found = measure_step(cfg)
    assert 0 < found.validation < 5
    SEEN.clear()
    run = train(cfg, cfg_options={'optim_wrapper.optimizer.lr': 0.1}, iters=5)
    assert cfg.to_dict() == before
    assert run.work_dir == tmp_path / 'run'
    assert run.metrics == {'box_AP': 50.0}
    assert len(SEEN) == 5 and max(rate for rate, _ in SEEN) == pytest.approx(0.1)


def state() -> dict:
    managed = {cls: dict(cls._instance_dict) for cls in (DefaultScope, MMLogger, MessageHub)}
    cudnn = (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic)
    return {**managed, Visualizer: dict(Visualizer._instance_dict), 'env': dict(os.environ),
            'cudnn': cudnn, 'joined': torch.distributed.is_initialized()}  # fmt: skip


def test_train__leaves_the_process_as_it_found_it(cfg, monkeypatch):
    """Also when it fails: a second run of that name in that second is like the first."""
    cfg.env_cfg = dict(cudnn_benchmark=True)
    for name, value in dict(RANK=0, WORLD_SIZE=1, LOCAL_RANK=0, MASTER_PORT=0).items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv('MASTER_ADDR', 'localhost')
    before = state()
    runs = []
    for _ in range(2):
        SEEN.clear()
        train(cfg, overwrite=True, launcher='pytorch', trust_checkpoint=True)
        assert state() == before
        runs.append(list(SEEN))
    assert runs[0] == runs[1]
    with pytest.raises(KeyError, match='Nothing'):
        train(cfg, overwrite=True, launcher='pytorch', cfg_options={'model.type': 'Nothing'})
    assert state() == before


def test_train__a_used_work_dir_is_refused_before_anything_is_written(cfg, tmp_path):
    train(cfg)
    before = sorted(tmp_path.rglob('*'))
    with pytest.raises(ValueError, match='--overwrite'):
        train(cfg)
    assert sorted(tmp_path.rglob('*')) == before


def test_train__of_a_recipe_without_its_weights_warns_first_and_last(cfg, tmp_path, capsys):
    cfg.model = dict(type='Line')
    cfg.experiment_name = None
    cfg.log_level = 'INFO'
    path = tmp_path / 'line_mae-pre.py'
    cfg.dump(path)
    train(path)
    warning = 'WARNING: line_mae-pre is a recipe for pre-trained weights'
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith(warning)
    warning = warning.removeprefix('WARNING: ')  # the log names the level itself
    (log,) = (tmp_path / 'run').rglob('*.log')
    lines = log.read_text().splitlines()
    assert warning in lines[-1] and 'this run started from random' in lines[-1]
    assert sum(warning in line for line in lines) == 2


def test_train__of_minutes_keeps_the_length_it_chose(cfg, tmp_path, monkeypatch, capsys):
    """Half a minute less 2 s of trial and 1 s of start is 27 s, or nine steps of 3 s."""
    trial = StepTime(step=3.0, setup=1.0, whole=2.0)
    module = sys.modules['mae_transfer.run.train']  # the package shows the function instead
    monkeypatch.setattr(module, 'measure_step', lambda cfg: trial)
    cfg.default_hooks.checkpoint.interval = 1
    train(cfg, minutes=0.5)
    assert len(SEEN) == 9
    assert '9 iterations of 3 s' in capsys.readouterr().out
    monkeypatch.setattr(module, 'measure_step', None)
    (tmp_path / 'run' / 'last_checkpoint').write_text('iter_8.pth')
    train(cfg, minutes=0.5, resume='latest')
    assert len(SEEN) == 10
    assert '9 iterations, as chosen when this run was started' in capsys.readouterr().out
    cfg.log_level = 'WARNING'
    train(cfg, iters=12, resume='latest')
    assert '--resume: length 9 -> 12 iterations' in capsys.readouterr().out
    assert read_length(tmp_path / 'run') == ('max_iters', 12)
    train(cfg, minutes=0.5, resume='latest')  # goes on with the length of the last run
    printed = capsys.readouterr().out
    assert '12 iterations, as chosen' in printed and '--resume: ' not in printed


def test_train__of_minutes_resumes_with_its_one_validation(cfg, monkeypatch, capsys):
    """Three validations of 100 s would take more than half of the time; a refusal notes nothing."""
    trial = StepTime(step=3.0, setup=1.0, whole=2.0, validation=100.0)
    module = sys.modules['mae_transfer.run.train']
    monkeypatch.setattr(module, 'measure_step', lambda cfg: trial)
    cfg.val_dataloader = {**cfg.train_dataloader, 'sampler': dict(type='DefaultSampler')}
    cfg.val_cfg, cfg.val_evaluator, cfg.train_cfg.val_interval = dict(), dict(type='Half'), 2
    cfg.default_hooks.checkpoint.interval, cfg.log_level = 3, 'WARNING'
    train(cfg, minutes=3)
    assert '1 validations of 100 s instead of 3' in capsys.readouterr().out
    with pytest.raises(ValueError, match="'AdamW' -> 'SGD'"):
        train(cfg, iters=90, resume=True, cfg_options={'optim_wrapper.optimizer.type': 'SGD'})
    capsys.readouterr()
    train(cfg, minutes=3, resume=True)
    assert '--resume: ' not in capsys.readouterr().out


def test_step_time__of_a_trial_that_leaves_nothing(cfg, tmp_path):
    """A step of at least 20 ms; neither the config nor the work dir knows of the trial."""
    cfg.custom_hooks.append(dict(type='Slow'))
    before = cfg.to_dict()
    found = measure_step(cfg)
    assert 0.02 < found.step < 0.2
    assert found.whole > found.setup + (UNTIMED + TIMED - 1) * 0.02
    assert len(SEEN) == UNTIMED + TIMED
    assert cfg.to_dict() == before and not Path(cfg.work_dir).exists()
    assert found.validation == 0 and found.steps_in(minutes=1e-6) == 1


def test_step_time__leaves_time_for_the_validations():
    """60 s less 2 s of trial and 1 s of start are 57 s; ten validations of 3 s would take 30."""
    found = StepTime(step=1.0, setup=1.0, whole=2.0, validation=3.0)
    assert found.validations_in(minutes=1, wanted=9) == 9
    assert found.steps_in(minutes=1, validations=9) == 57 - 27
    assert found.validations_in(minutes=1, wanted=10) == 1
    assert found.steps_in(minutes=1, validations=1) == 54
    assert found.validations_in(minutes=1, wanted=0) == 0


@HOOKS.register_module()
class Slow(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        time.sleep(0.02)


def test_train__needs_a_place_to_write(cfg):
    cfg.work_dir = None
    with pytest.raises(ValueError, match='work_dir=None: must name a folder'):
        train(cfg)


def test_train__overwrites_nothing_if_it_cannot_start(cfg, tmp_path, capsys):
    cfg.default_hooks.checkpoint.interval = 3
    train(cfg)
    before = {p: p.read_bytes() for p in (tmp_path / 'run').iterdir() if p.is_file()}
    assert tmp_path / 'run' / 'iter_3.pth' in before
    cfg.optim_wrapper.type = 'Nope'
    with pytest.raises(KeyError, match='Nope'):
        train(cfg, overwrite=True)
    assert {path: path.read_bytes() for path in before} == before
    cfg.optim_wrapper.type = 'OptimWrapper'
    train(cfg, overwrite=True)
    assert '--overwrite: removed' in capsys.readouterr().out


def test_train__a_slurm_job_started_anew_goes_on_with_its_own_run_alone(
    cfg, tmp_path, capsys, monkeypatch
):
    """Its command replaces the run of another; it may be stopped before it has done so."""
    train(cfg, iters=2)
    for name, value in (('SLURM_JOB_ID', '7'), ('SLURM_RESTART_COUNT', '1')):
        monkeypatch.setenv(name, value)
    capsys.readouterr()
    train(cfg, iters=1, overwrite=True, resume='latest')
    printed = capsys.readouterr().out
    assert 'removed' in printed and 'resuming' not in printed
    assert [path.name for path in Path(cfg.work_dir).glob('*.pth')] == ['iter_1.pth']
    monkeypatch.setenv('SLURM_RESTART_COUNT', '2')
    train(cfg, iters=2, overwrite=True, resume='latest')
    printed = capsys.readouterr().out
    assert 'removed' not in printed and 'resuming from' in printed
    monkeypatch.setenv('SLURM_JOB_ID', '8')
    train(cfg, iters=1, overwrite=True, resume='latest')
    assert 'resuming' not in capsys.readouterr().out
    monkeypatch.delenv('SLURM_JOB_ID')
    with pytest.raises(ValueError, match='contradict'):
        train(cfg, overwrite=True, resume='latest')


def test_train__reads_true_as_the_latest_checkpoint_and_refuses_one_pattern(cfg, tmp_path, capsys):
    cfg.default_hooks.checkpoint.interval, cfg.log_level = 3, 'INFO'
    train(cfg)
    with pytest.raises(ValueError, match=r"allow_partial='norm.\*': must be a list"):
        train(cfg, allow_partial='norm.*')
    train(cfg, resume=True)
    assert 'resuming from' in capsys.readouterr().out
    (*_, log) = sorted((tmp_path / 'run').rglob('*.log'))
    assert 'nothing is left to train: the checkpoint is at iteration' in log.read_text()


def test_train__resumed_in_another_folder_records_its_own_length(cfg, tmp_path, capsys):
    cfg.default_hooks.checkpoint.interval, cfg.log_level = 3, 'WARNING'
    train(cfg)
    checkpoint = tmp_path / 'run' / 'iter_3.pth'
    train(cfg, resume=checkpoint, work_dir=tmp_path / 'new', iters=5)
    assert '--resume: length 6 -> 5 iterations' in capsys.readouterr().out
    assert read_length(tmp_path / 'new') == ('max_iters', 5)
    assert read_length(tmp_path / 'run') == ('max_iters', 6)
