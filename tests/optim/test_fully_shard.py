"""Sharded training: two processes, the losses of a replicated run, resumed as if uninterrupted."""

import pytest
from torch import nn

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
