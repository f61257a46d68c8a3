"""Parameter groups of a model in two processes: replicated by DDP, sharded by FSDP."""

import pytest

from tests.references import shard_and_build
from tests.support.ranks import run_ranks


@pytest.mark.slow
def test_groups__same_under_ddp_and_fsdp(tmp_path):
    """Shards are flat, so a '1d' rule that looks at them would exempt everything from decay."""
    run_ranks(shard_and_build.main, folder=tmp_path)
