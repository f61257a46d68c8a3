"""Sharded training: two processes, the losses of a replicated run, resumed as if uninterrupted."""

import os
import subprocess
import sys

import pytest
from torch import nn

from mae_transfer.optim.fully_shard import FullyShardStrategy


@pytest.mark.slow
def test_fully_shard__trains_saves_and_resumes_as_a_replicated_run(tmp_path):
    run = subprocess.run(
        [
            *(sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node=2'),
            *('-m', 'tests.references.shard_and_train', str(tmp_path)),
        ],
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr[-3000:]


def test_fully_shard__leaves_a_single_process_alone(tmp_path):
    strategy = FullyShardStrategy(work_dir=str(tmp_path), experiment_name='single')
    model = strategy._wrap_model(nn.Sequential(nn.Linear(2, 2)))
    assert type(model[0].weight) is nn.Parameter


def test_fully_shard__refuses_an_unknown_precision(tmp_path):
    with pytest.raises(ValueError, match="param_dtype='int8'"):
        FullyShardStrategy(param_dtype='int8', work_dir=str(tmp_path), experiment_name='wrong')
