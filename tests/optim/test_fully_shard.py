"""Sharded training: two processes, the losses of a replicated run, resumed as if uninterrupted."""

import pytest
import torch
from torch import nn

from mae_transfer.layers.block import Block
from mae_transfer.optim import fully_shard
from mae_transfer.optim.fully_shard import FullyShardStrategy
from tests.references import shard_and_train
from tests.support.ranks import run_ranks


@pytest.mark.slow
def test_fully_shard__trains_saves_and_resumes_as_a_replicated_run(tmp_path):
    run_ranks(shard_and_train.main, tmp_path, folder=tmp_path)


def test_fully_shard__leaves_a_single_process_alone(tmp_path):
    strategy = FullyShardStrategy(work_dir=str(tmp_path), experiment_name='single')
    model = strategy._wrap_model(nn.Sequential(nn.Linear(2, 2)))
    assert type(model[0].weight) is nn.Parameter


def test_fully_shard__refuses_an_unknown_precision(tmp_path):
    with pytest.raises(ValueError, match="param_dtype='int8'"):
        FullyShardStrategy(param_dtype='int8', work_dir=str(tmp_path), experiment_name='wrong')


def test_fully_shard__each_block_is_a_unit_and_gradients_are_summed_in_float32(
    tmp_path, monkeypatch
):
    """What is asked of PyTorch, blocks before the model; nothing is sharded."""
    calls = []
    for name, stand_in in (
        ('is_distributed', lambda: True),
        ('get_world_size', lambda: 4),
        ('init_device_mesh', lambda device, shape: (device, shape)),
        ('fully_shard', lambda module, **options: calls.append((module, options))),
    ):
        monkeypatch.setattr(fully_shard, name, stand_in)
    model = nn.Sequential(Block(8, 2), nn.Linear(8, 8), Block(8, 2))
    strategy = FullyShardStrategy(
        param_dtype='bfloat16',
        reshard_after_forward=False,
        work_dir=str(tmp_path),
        experiment_name='units',
    )
    monkeypatch.setattr(strategy, 'convert_model', lambda model: model)
    strategy._wrap_model(model)
    assert [module for module, _ in calls] == [model[0], model[2], model]
    for _, options in calls:
        assert options['mesh'][1] == (4,)
        assert options['reshard_after_forward'] is False
        policy = options['mp_policy']
        assert policy.param_dtype == torch.bfloat16
        assert policy.reduce_dtype == torch.float32 and not policy.cast_forward_inputs
