"""The loader of a training run: as MMEngine's, but with an order of its own."""

import pytest
import torch
from mmengine.runner import Runner

from mae_transfer.loops.steady_loader import first_order_seed
from tests.support.noisy_line import noisy_config

STEPS = dict(type='IterBasedTrainLoop', max_iters=6)


def loader_of(tmp_path, **options):
    cfg = noisy_config(tmp_path / 'run', STEPS, 'DefaultSampler')
    cfg.train_dataloader.update(options)
    return Runner.from_cfg(cfg).train_loop.dataloader


def test_steady_loader__has_what_the_config_asks_for(tmp_path):
    """Everything but the order is as MMEngine builds it; hooks see data set, sampler, and size."""
    loader = loader_of(
        tmp_path, num_workers=2, prefetch_factor=3, persistent_workers=True, pin_memory=False,
        drop_last=True, timeout=7,
    )  # fmt: skip
    assert (loader.num_workers, loader.prefetch_factor, loader.timeout) == (2, 3, 7)
    assert loader.persistent_workers and loader.worker_init_fn is not None
    assert loader.batch_size == loader.batch_sampler.batch_size == 4
    assert loader.batch_sampler.drop_last and len(loader) == 22 // 4
    assert type(loader.batch_sampler.sampler).__name__ == 'DefaultSampler'
    assert len(loader.dataset) == len(loader.dataset.x) == 22


def test_steady_loader__draws_nothing_from_the_main_generator(tmp_path):
    loader = loader_of(tmp_path)
    before = torch.get_rng_state()
    next(iter(loader))
    assert torch.equal(torch.get_rng_state(), before)


def test_steady_loader__counts_batches_of_an_epoch_in_its_config(tmp_path):
    """MMEngine's ``num_batch_per_epoch`` cuts the data set."""
    assert len(loader_of(tmp_path, num_batch_per_epoch=3)) == 3


class Seeded:
    def __init__(self, seed: int, diff_rank_seed: bool) -> None:
        self.seed, self._randomness_cfg = seed, dict(diff_rank_seed=diff_rank_seed)


def test_first_order_seed__is_shared_by_all_ranks(monkeypatch):
    """MMEngine adds the rank to the seed of a run with ``diff_rank_seed``."""
    ranks = []
    for rank in (0, 3):
        monkeypatch.setattr('mae_transfer.loops.steady_loader.get_rank', lambda rank=rank: rank)
        ranks.append((first_order_seed(Seeded(5 + rank, True)), first_order_seed(Seeded(5, False))))
    assert len({seed for pair in ranks for seed in pair}) == 1


@pytest.mark.parametrize('seed', [0, 1, 2])
def test_first_order_seed__of_neighboring_seeds_are_far_apart(seed):
    """Samplers add the epoch, so that a distance of some epochs would repeat orders."""
    assert (
        abs(first_order_seed(Seeded(seed, False)) - first_order_seed(Seeded(seed + 1, False))) > 1e4
    )
