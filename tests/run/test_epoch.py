"""How many optimizer steps an epoch takes, with any sampler."""

import pytest

from mae_transfer.run.epoch import Epoch, count_epoch
from tests.support.least_squares import config


@pytest.mark.parametrize(
    ('points', 'counts', 'steps'), [(32, 1, 4), (32, 2, 2), (33, 1, 5), (33, 2, 3), (7, 2, 1)]
)
@pytest.mark.parametrize('loop', [dict(max_iters=10), dict(by_epoch=True, max_epochs=2)])
def test_count_epoch__by_hand(loop, points, counts, steps, tmp_path):
    """Passes of eight points; the last step may be short, also where the sampler never ends."""
    cfg = config(8, counts, loop, tmp_path, points)
    endless = cfg.train_dataloader.sampler.type == 'InfiniteSampler'
    assert endless is ('max_iters' in loop)
    epoch = count_epoch(cfg)
    assert epoch == Epoch(points, 8 * counts, steps)
    assert str(epoch) == f'{steps} steps ({points} images in batches of {8 * counts})'
