"""A recipe means the same to a plain Runner as to the tools: steps are counted, misfits refused."""

import json
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import FlexibleRunner, Runner

from mae_transfer.loops.steady_loader import first_order_seed, steady_loader
from tests.configs_suite.reading import load
from tests.configs_suite.tables.cifar import MINI_FINETUNE, MINI_SCRATCH
from tests.configs_suite.tables.fsdp import RECIPES as SHARDED
from tests.configs_suite.tiny_models import prepare_run, shrink
from tests.references.checkpoint_files import own_checkpoint

MMENGINES = {
    'AccumulatingEpochTrainLoop': 'EpochBasedTrainLoop',
    'AccumulatingIterTrainLoop': 'IterBasedTrainLoop',
}
DEMO_MAE = 'demo/mae_vit-demo-p8_1xb32-coslr-2000i_scenes-64x64.py'


def small(path: str, data_of, work_dir: Path, length: int) -> Config:
    """A recipe with a short schedule, small, that draws one picture a pass."""
    cfg = load(path)
    cfg = prepare_run(shrink(cfg), data_of(load(path)), work_dir)
    cfg.train_dataloader.batch_size = 1
    cfg.train_cfg['max_epochs' if 'max_epochs' in cfg.train_cfg else 'max_iters'] = length
    return cfg


@pytest.fixture
def steps(monkeypatch) -> list[int]:
    """One item for each step of AdamW."""
    made: list[int] = []
    step = torch.optim.AdamW.step

    def count(self, *args, **kwargs):
        made.append(1)
        return step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, 'step', count)
    return made


class StartEpoch(Hook):
    """Tell the order of the data which epoch begins, as the loops of this package do."""

    def before_train_epoch(self, runner) -> None:
        runner.train_dataloader.batch_sampler.start_at(runner.epoch, 0)


@pytest.mark.slow
@pytest.mark.parametrize('path', [MINI_SCRATCH, DEMO_MAE], ids=['epochs', 'iterations'])
def test_loop__without_accumulation_does_exactly_what_mmengines_does(path, data_of, tmp_path):
    """From the same data: weights, moments, rates, losses to the bit, and the same checkpoint."""
    states, logs = [], []
    for name in ('ours', 'mmengine'):
        cfg = small(path, data_of, tmp_path / name, length=3)
        cfg.default_hooks.checkpoint.interval = 3
        if name == 'mmengine':
            cfg.train_cfg.type = MMENGINES[cfg.train_cfg.type]
        runner = Runner.from_cfg(cfg)
        if name == 'mmengine':
            endless = 'max_iters' in cfg.train_cfg
            loader, seed = dict(cfg.train_dataloader), first_order_seed(runner)
            runner._train_dataloader = steady_loader(runner, loader, seed, endless)
            runner.register_hook(StartEpoch())
        assert type(runner.train_loop).__name__ == cfg.train_cfg.type
        runner.train()
        (file,) = (tmp_path / name).glob('[ei]*_3.pth')
        states.append(torch.load(file, weights_only=False))
        scalars = runner.message_hub.log_scalars
        logs.append({key: scalars[key].data[0].tolist() for key in ('train/loss', 'train/lr')})
    ours, theirs = states
    assert logs[0] == logs[1] and len(logs[0]['train/loss']) >= 3
    assert ours['meta']['iter'] == theirs['meta']['iter']
    for name, weight in theirs['state_dict'].items():
        assert torch.equal(ours['state_dict'][name], weight), name
    moments = [state['optimizer']['state'] for state in states]
    for index, values in moments[1].items():
        assert torch.equal(moments[0][index]['exp_avg_sq'], values['exp_avg_sq'])


@pytest.mark.slow
@pytest.mark.parametrize('path', [MINI_SCRATCH, DEMO_MAE], ids=['epochs', 'iterations'])
def test_plain_runner__counts_steps(path, data_of, tmp_path, steps):
    """Two passes a step: three epochs of two pictures, or three iterations, are three steps."""
    cfg = small(path, data_of, tmp_path / 'run', length=3)
    cfg.optim_wrapper.accumulative_counts = 2
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert len(steps) == runner.iter == 3


@pytest.mark.slow
def test_plain_flexible_runner__counts_steps(data_of, tmp_path, steps):
    """A sharded recipe, in one process, which shards nothing."""
    (path,) = (path for path in SHARDED if 'mae_vit-large' in path)
    cfg = small(path, data_of, tmp_path / 'run', length=3)
    FlexibleRunner.from_cfg(cfg).train()
    assert cfg.optim_wrapper.accumulative_counts == 2 and len(steps) == 3


@pytest.mark.slow
def test_plain_runner__writes_down_what_it_loads_and_refuses_a_misfit(data_of, tmp_path):
    cfg = small(MINI_FINETUNE, data_of, tmp_path / 'fits', length=1)
    runner = Runner.from_cfg(cfg)
    state = runner.model.backbone.state_dict()
    torch.save(own_checkpoint(state), tmp_path / 'encoder.pth')
    torch.save(dict(state_dict=runner.model.state_dict(), meta={}), tmp_path / 'whole.pth')

    cfg = small(MINI_FINETUNE, data_of, tmp_path / 'run', length=1)
    cfg.model.backbone.init_cfg = dict(
        type='PretrainedViT', checkpoint=str(tmp_path / 'encoder.pth')
    )
    runner = Runner.from_cfg(cfg)
    runner.train()
    content = json.loads(Path(runner.log_dir, 'load_account.json').read_text())
    account = content['encoders']['backbone']
    assert account['checkpoint'] == str(tmp_path / 'encoder.pth') and account['encoder']

    cfg = small(MINI_FINETUNE, data_of, tmp_path / 'misfit', length=1)
    cfg.model.backbone.arch.num_layers += 1
    cfg.load_from = str(tmp_path / 'whole.pth')  # MMEngine alone would warn and train
    with pytest.raises(ValueError, match='blocks'):
        Runner.from_cfg(cfg).train()
