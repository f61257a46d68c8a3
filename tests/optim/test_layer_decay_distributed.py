"""Parameter groups of a model in two processes: replicated by DDP, sharded by FSDP."""

import os
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_groups__same_under_ddp_and_fsdp():
    """Shards are flat, so a '1d' rule that looks at them would exempt everything from decay."""
    run = subprocess.run(
        [
            *(sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node=2'),
            *('-m', 'tests.references.shard_and_build'),
        ],
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr[-3000:]
