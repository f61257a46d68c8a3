"""Configs in checkpoints are not run, through whichever door of MMEngine the file comes."""

import pytest
import torch
from mmengine.config import Config
from mmengine.infer import BaseInferencer
from mmengine.runner import FlexibleRunner, Runner
from torch.utils.data import DataLoader

from mae_transfer.backbones import PlainViT
from mae_transfer.compat.safe_load import TRUST_VARIABLE
from tests.support.hostile_pickles import code_that_writes
from tests.support.runners import MeanModel, short_runner

ARCH = dict(embed_dims=8, num_layers=1, num_heads=2)


def make_model() -> MeanModel:
    return MeanModel(PlainViT(ARCH, 16, 8))


def flexible(work_dir, **options) -> FlexibleRunner:
    return FlexibleRunner(
        make_model(),
        work_dir=str(work_dir),
        train_dataloader=DataLoader([{'inputs': torch.rand(3, 16, 16)}] * 2),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01)),
        train_cfg=dict(by_epoch=False, max_iters=2),
        experiment_name=f'{work_dir.parent.name}-{work_dir.name}',
        **options,
    )


def plain(work_dir, **options) -> Runner:
    return short_runner(work_dir, make_model(), torch.rand(3, 16, 16), 2, **options)


@pytest.fixture(scope='module')
def content(tmp_path_factory) -> dict:
    """A checkpoint after one step."""
    work_dir = tmp_path_factory.mktemp('run')
    runner = plain(
        work_dir,
        train_cfg=dict(by_epoch=False, max_iters=1),
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=1)),
        param_scheduler=[],
    )
    runner.train()
    return torch.load(work_dir / 'iter_1.pth', weights_only=False)


@pytest.mark.parametrize('trusted', ['0', '1'])
@pytest.mark.parametrize('make', [plain, flexible])
def test_config_text__is_not_run_on_resume(tmp_path, monkeypatch, content, make, trusted):
    """Trusting a pickle is not trusting a config that nobody asked for."""
    monkeypatch.setenv(TRUST_VARIABLE, trusted)
    path, victim = tmp_path / 'x.pth', tmp_path / 'PWNED'
    torch.save(content | dict(meta=content['meta'] | dict(config=code_that_writes(victim))), path)
    runner = make(tmp_path / 'run', param_scheduler=[], load_from=str(path), resume=True)
    runner.train()
    assert runner.iter == 2 and not victim.exists()


@pytest.mark.parametrize('place', ['meta', 'message_hub'])
def test_config_text__is_not_run_by_an_inferencer(tmp_path, content, place):
    """MMEngine's takes the config of the checkpoint if it is given none."""

    class Inferencer(BaseInferencer):
        def _init_pipeline(self, cfg):
            return None

        def visualize(self, inputs, preds, **kwargs):
            return None

        def postprocess(self, preds, visualization, return_datasample=False, **kwargs):
            return None

    victim = tmp_path / 'PWNED'
    text = code_that_writes(victim) + 'model = dict(type="MeanModel")\n'
    info = {'cfg': text} if place == 'message_hub' else {}
    hub = dict(log_scalars={}, runtime_info=info, resumed_keys={})
    spoilt = dict(meta=dict(cfg=text), state_dict=content['state_dict'], message_hub=hub)
    torch.save(spoilt, tmp_path / 'x.pth')
    with pytest.raises(ValueError, match='config in the checkpoint .*x.pth is refused'):
        Inferencer(weights=str(tmp_path / 'x.pth'), scope='mmengine')
    assert not victim.exists()


def test_config_text__own_texts_are_read():
    assert Config.fromstring('a = 1\n', '.py').a == 1
    assert Config.fromstring('', '.py').to_dict() == {}
