"""Checkpoints of our runs, evaluated by mae_transfer.run.test."""

import json

import pytest
import torch

from mae_transfer.run import test as run_test
from mae_transfer.run import train
from tests.configs_suite.reading import load
from tests.configs_suite.tables.classification import SCRATCH_BASE
from tests.configs_suite.tiny_models import prepare_run, shrink
from tests.support.scores import Scores


@pytest.mark.slow
def test_averaged_weights__are_evaluated(data_of, tmp_path):
    """The scores by EMA's weights, as by those weights without the hook."""
    cfg = load(SCRATCH_BASE)
    cfg = prepare_run(shrink(cfg), data_of(cfg), tmp_path / 'run')
    assert cfg.custom_hooks[-1].type == 'EMAHook'
    cfg.custom_hooks[-1].momentum = 0.5
    cfg.optim_wrapper.optimizer.lr = 0.1
    cfg.param_scheduler = None
    cfg.test_evaluator = dict(type=Scores)
    train(cfg, work_dir=tmp_path / 'run', epochs=2)
    content = torch.load(tmp_path / 'run/epoch_2.pth', weights_only=False)
    torch.save(dict(state_dict=content['state_dict']), tmp_path / 'averaged.pth')
    last = {name.removeprefix('module.'): t for name, t in content['ema_state_dict'].items()}
    last = {name: tensor for name, tensor in last.items() if name in content['state_dict']}
    torch.save(dict(state_dict=last), tmp_path / 'last.pth')

    def scores(name, checkpoint, hooks):
        cfg.custom_hooks = hooks
        out = tmp_path / f'{name}.json'
        run_test(cfg, checkpoint, work_dir=tmp_path / name, out=out)
        return json.loads(out.read_text())['raw']

    hooks = cfg.custom_hooks
    found = scores('with', tmp_path / 'run/epoch_2.pth', hooks)
    assert found == scores('without', tmp_path / 'averaged.pth', hooks[:-1])
    assert found != scores('other', tmp_path / 'last.pth', hooks[:-1])
