"""Builds the data loader of a training run, whose batches do not depend on its workers."""

import inspect

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.registry import DATA_SAMPLERS
from torch.utils.data import BatchSampler, DataLoader

from mae_transfer.data.draws import DrawnBatches, SeededDataset

ORDER = ('dataset', 'batch_size', 'shuffle', 'sampler', 'batch_sampler', 'drop_last', 'generator')


def first_order_seed(runner) -> int:
    """Derive the seed of the order from that of the run: the same number on all ranks."""
    seed = runner.seed
    if runner._randomness_cfg.get('diff_rank_seed', False):
        seed -= get_rank()
    # Samplers add the epoch to the seed: runs with neighboring seeds would share their orders.
    return int(np.random.SeedSequence(seed).generate_state(1)[0] >> 1)


def steady_loader(runner, dataloader: dict, seed: int, endless: bool) -> DataLoader:
    """Build a data loader whose ``batch_sampler`` is a :class:`DrawnBatches`.

    It has a random generator of its own: a new pass over the data draws nothing from the main one.

    Args:
        runner: Builds the parts as MMEngine does.
        dataloader: Config of the data loader. It is not changed.
        seed: Seed of the order.
        endless: Whether an epoch is followed by the next one.
    """
    dataset = dict(type=SeededDataset, dataset=dataloader['dataset'])
    loader = runner.build_dataloader({**dataloader, 'dataset': dataset}, seed=seed)

    def make(seed: int) -> BatchSampler:
        sampler = DATA_SAMPLERS.build(
            dataloader['sampler'], default_args=dict(dataset=loader.dataset, seed=seed)
        )
        if dataloader.get('batch_sampler') is None:
            return BatchSampler(sampler, dataloader['batch_size'], loader.drop_last)
        return DATA_SAMPLERS.build(
            dataloader['batch_sampler'],
            default_args=dict(sampler=sampler, batch_size=dataloader['batch_size']),
        )

    options = [name for name in inspect.signature(DataLoader).parameters if name not in ORDER]
    steady = DataLoader(
        loader.dataset,
        batch_sampler=DrawnBatches(make, loader.batch_sampler, seed, get_rank(), endless),
        generator=torch.Generator().manual_seed(seed),
        **{name: getattr(loader, name) for name in options},
    )
    # Hooks ask for the size, which PyTorch does not keep beside a batch sampler.
    vars(steady)['batch_size'] = loader.batch_size
    return steady
