"""Draws of samples: equal for all numbers of workers, and from wherever one begins."""

import copy
import pickle
import random

import numpy as np
import pytest
import torch
from mmengine.dataset import DefaultSampler, InfiniteSampler
from torch.utils.data import BatchSampler, DataLoader, Dataset

from mae_transfer.data.draws import Draw, DrawnBatches, SeededDataset


class Dice(Dataset):
    """Seven samples: their index and a number from each generator."""

    faces = 6

    def __init__(self) -> None:
        self.asked: list = []

    def __len__(self) -> int:
        return 7

    def __getitem__(self, index: int) -> tuple:
        self.asked.append(index)
        return index, random.random(), np.random.rand(), torch.rand(()).item()


class ByParity(BatchSampler):
    """Batches of even or of odd indices: it looks ahead, and its length is not that of a stream."""

    def __iter__(self):
        waiting: dict[int, list] = {0: [], 1: []}
        for index in self.sampler:
            waiting[index % 2].append(index)
            if len(waiting[index % 2]) == self.batch_size:
                yield waiting[index % 2]
                waiting[index % 2] = []
        yield waiting[0] + waiting[1]


def drawn(
    sampler: type = DefaultSampler,
    batches: type = BatchSampler,
    seed: int = 3,
    endless: bool = False,
    drop_last: bool = False,
) -> DrawnBatches:
    def make(seed: int) -> BatchSampler:
        return batches(sampler(Dice(), shuffle=True, seed=seed), 2, drop_last)

    return DrawnBatches(make, make(seed), seed, rank=0, endless=endless)


def take(batches: DrawnBatches, count: int) -> list[list[Draw]]:
    return [batch for batch, _ in zip(batches, range(count), strict=False)]


def samples(num_workers: int, **options) -> list[tuple]:
    """Two epochs through a data loader."""
    batches = drawn(**options)
    loader = DataLoader(
        SeededDataset(Dice()), batch_sampler=batches, num_workers=num_workers, collate_fn=list,
        persistent_workers=num_workers > 0, generator=torch.Generator(),
    )  # fmt: skip
    seen = []
    for epoch in range(2):
        batches.start_at(epoch, 0)
        seen += [sample for batch in loader for sample in batch]
    return seen


def test_samples__do_not_depend_on_the_workers():
    alone = samples(0)
    assert len({sample[1] for sample in alone}) == len(alone) == 14
    assert samples(2) == alone
    assert samples(4) == alone
    assert samples(0, seed=4) != alone


def test_samples__leave_the_states_of_the_process_as_they_are():
    expected = random.random(), np.random.rand(), torch.rand(2).tolist()
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    samples(0)
    assert (random.random(), np.random.rand(), torch.rand(2).tolist()) == expected


@pytest.mark.parametrize('sampler', [DefaultSampler, InfiniteSampler])
@pytest.mark.parametrize('batches', [BatchSampler, ByParity])
@pytest.mark.parametrize('drop_last', [False, True])
def test_start_at__in_an_endless_order_equals_stepping(sampler, batches, drop_last):
    """Over several passes, in the middle of one and at its ends; indices and keys."""
    options = dict(sampler=sampler, batches=batches, endless=True, drop_last=drop_last)
    whole = take(drawn(**options), 17)
    for first in range(10):
        begun = drawn(**options)
        begun.start_at(0, first)
        assert take(begun, 17 - first) == whole[first:]


def test_start_at__within_an_epoch():
    batches = drawn()
    batches.start_at(2, 0)
    whole = list(batches)
    batches.start_at(2, 1)
    assert list(batches) == whole[1:] and len(whole) == len(batches) == 4
    assert {draw.key[:3] for batch in whole for draw in batch} == {(3, 0, 2)}
    assert [draw.key[3] for batch in whole for draw in batch] == list(range(7))
    batches.start_at(2, 4)
    assert list(batches) == []


def test_epochs__have_orders_of_their_own():
    batches = drawn(endless=True)
    stream = [draw.index for batch in take(batches, 8) for draw in batch]
    first, second = stream[:7], stream[7:]
    assert sorted(first) == sorted(second) == list(range(7)) and first != second


def test_reorder__is_the_order_of_that_seed_from_its_start():
    batches = drawn(InfiniteSampler, endless=True)
    take(batches, 3)
    batches.reorder(8)
    assert batches.sampler.seed == 8
    assert take(batches, 5) == take(drawn(InfiniteSampler, seed=8, endless=True), 5)


def test_drawn_batches__show_the_batch_sampler():
    batches = drawn(batches=ByParity)
    assert batches.batch_size == 2 and batches.drop_last is False
    assert batches.sampler is batches.batches.sampler
    with pytest.raises(AttributeError):
        batches.absent  # noqa: B018


def test_endless__refuses_to_wait_for_a_batch_that_never_comes():
    batches = drawn(endless=True, drop_last=True)
    batches.batches.batch_size = 8
    with pytest.raises(ValueError, match='no batch of 8'):
        next(iter(batches))


def test_seeded_dataset__a_sample_that_comes_twice_is_drawn_twice():
    dataset = SeededDataset(Dice())
    first, again, same = (dataset[Draw(5, (1, 0, 0, place))] for place in (0, 1, 0))
    assert first[0] == again[0] == 5
    assert not set(first[1:]) & set(again[1:]) and first == same


def test_seeded_dataset__gives_plain_indices_and_takes_them():
    dice = Dice()
    dataset = SeededDataset(dice)
    dataset[Draw(5, (1, 0, 0, 0))]
    dataset[4]
    assert dice.asked == [5, 4] and [type(index) for index in dice.asked] == [int, int]


def test_seeded_dataset__is_the_data_set_to_hooks():
    """Attributes are read and written; a hook may replace the pipeline."""
    dice = Dice()
    dataset = SeededDataset(dice)
    dataset.faces = 20
    assert dice.faces == dataset.faces == 20 and len(dataset) == 7
    assert not hasattr(dataset, 'absent')


def test_seeded_dataset__can_be_copied_and_sent_to_a_spawned_worker():
    dataset = SeededDataset(Dice())
    draw = Draw(2, (1, 0, 0, 0))
    for other in (copy.deepcopy(dataset), pickle.loads(pickle.dumps(dataset))):
        assert other[draw] == dataset[draw] and other._dataset is not dataset._dataset
