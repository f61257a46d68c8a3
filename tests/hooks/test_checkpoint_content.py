"""What a checkpoint of a recipe holds: all that a resumed run needs."""

import copy

import pytest
import torch
from mmengine.config import Config

import mae_transfer  # noqa: F401  registers the hooks
from mae_transfer.backbones import PlainViT
from tests.configs_suite.reading import CONFIGS
from tests.support.runners import MeanModel, short_runner


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory) -> tuple[dict, MeanModel]:
    """Two iterations with the hooks of configs/_base_, and the model that they trained."""
    hooks = copy.deepcopy(Config.fromfile(CONFIGS / '_base_/default_runtime.py').default_hooks)
    hooks.checkpoint.by_epoch = False
    arch = dict(embed_dims=8, num_layers=2, num_heads=2)
    model = MeanModel(PlainViT(arch, 16, 8))
    work_dir = tmp_path_factory.mktemp('run')
    runner = short_runner(
        work_dir,
        model,
        torch.rand(3, 16, 16),
        2,
        optim_wrapper=dict(
            optimizer=dict(type='AdamW', lr=0.01, weight_decay=0.05),
            constructor='LayerDecayOptimWrapperConstructor',
            paramwise_cfg=dict(layer_decay_rate=0.7),
        ),
        param_scheduler=[
            dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=1),
            dict(type='CosineAnnealingLR', by_epoch=False, begin=1, end=2),
        ],
        default_hooks=hooks,
    )
    runner.train()
    return torch.load(work_dir / 'iter_2.pth', weights_only=False), model


def test_checkpoint__holds_the_optimizer_state_of_every_parameter(checkpoint):
    """AdamW's two moments and its count of steps, in the shape of the parameter."""
    content, model = checkpoint
    state, groups = (content['optimizer'][key] for key in ('state', 'param_groups'))
    shapes = {name: parameter.shape for name, parameter in model.named_parameters()}
    found = {}
    for group in groups:
        for index, name in zip(group['params'], group['param_names'], strict=True):
            found[name] = state[index]['exp_avg'].shape
            assert state[index]['exp_avg_sq'].shape == shapes[name]
            assert state[index]['step'] == 2
            assert state[index]['exp_avg_sq'].any(), name
    assert found == shapes


def test_checkpoint__holds_what_a_resumed_run_reads(checkpoint):
    content, model = checkpoint
    assert content['state_dict'].keys() == model.state_dict().keys()
    steps = [scheduler['_global_step'] for scheduler in content['param_schedulers']]
    assert steps == [2, 2]
    hub = content['message_hub']
    assert hub['runtime_info']['iter'] == 1 and 'train/loss' in hub['log_scalars']
    meta = content['meta']
    assert (meta['iter'], meta['epoch']) == (2, 0)
    assert {'cfg', 'seed', 'experiment_name', 'mmengine_version', 'time'} <= meta.keys()
