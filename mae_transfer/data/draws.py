"""What is drawn for a sample follows from the seed of the order and its place in the stream.

A data worker of PyTorch draws from a state that goes on from sample to sample, so crops and flips
depend on the number of workers and on the samples before. Here a batch sampler gives each index the
key of its draws, and the data set seeds itself with that key. A run that begins in the middle then
draws what the whole run would, and skips indices instead of decoding pictures.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

from mmengine.registry import DATASETS
from torch.utils.data import BatchSampler, Sampler, get_worker_info

from mae_transfer.random_states import kept_cpu_states, seed_cpu


class Draw(NamedTuple):
    """A sample to draw.

    Attributes:
        index: Its index in the data set, as the sampler gives it.
        key: Seed of the order, rank, epoch and place in the epoch of this rank. A sample that
            comes twice in an epoch has two places, and so different draws.
    """

    index: Any
    key: tuple[int, int, int, int]


class DrawnBatches(Sampler[list[Draw]]):
    """A batch sampler that gives indices as :class:`Draw` and can begin at any batch.

    Its other attributes, such as ``sampler``, ``batch_size`` and ``drop_last``, are those of the
    batch sampler that chooses the indices.

    Args:
        make: Makes that batch sampler from the seed of the order.
        batches: The first one, made with ``seed``.
        seed: Seed of the order, shared by all ranks.
        rank: Rank of this process.
        endless: Whether an epoch is followed by the next one.
    """

    def __init__(
        self,
        make: Callable[[int], BatchSampler],
        batches: BatchSampler,
        seed: int,
        rank: int = 0,
        endless: bool = False,
    ) -> None:
        self.make, self.batches = make, batches
        self.seed, self.rank, self.endless = seed, rank, endless
        self.epoch = self.first = 0

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__') or name == 'batches':
            raise AttributeError(name)
        return getattr(self.batches, name)

    def __len__(self) -> int:
        """Batches of an epoch."""
        return len(self.batches)

    def reorder(self, seed: int) -> None:
        """Change the seed of the order, which begins anew."""
        self.batches = self.make(seed)
        self.seed, self.epoch, self.first = seed, 0, 0

    def start_at(self, epoch: int, first: int) -> None:
        """Choose where the next iteration begins.

        Args:
            epoch: Epochs before it.
            first: Batches before it in its epoch; those of further epochs, too, if endless.
        """
        self.epoch, self.first = epoch, first

    def __iter__(self) -> Iterator[list[Draw]]:
        """Yield batches; those before the first one cost their indices alone.

        Raises:
            ValueError: An endless order has no batch at all.
        """
        epoch, skipped = self.epoch, self.first
        # Batch samplers of other classes may use up indices in another way, and are stepped.
        plain = type(self.batches) is BatchSampler
        sampler: Any = self.batches.sampler
        leap = plain and hasattr(sampler, 'skip')
        if self.endless and plain and not leap and len(self):
            epochs, skipped = divmod(skipped, len(self))
            epoch += epochs
        while True:
            if hasattr(sampler, 'set_epoch'):
                sampler.set_epoch(epoch)
            place, empty = 0, True
            if leap and skipped:
                place, skipped = skipped * self.batches.batch_size, 0
                sampler.skip(place)
            for batch in self.batches:
                empty = False
                if skipped:
                    skipped -= 1
                else:
                    key = self.seed, self.rank, epoch
                    yield [Draw(index, (*key, i)) for i, index in enumerate(batch, place)]
                place += len(batch)
            if not self.endless:
                return
            if empty:
                raise ValueError(
                    f'train_dataloader: the sampler gives no batch of {self.batches.batch_size}; '
                    'give more data, a smaller batch_size, or drop_last=False'
                )
            epoch += 1


class SeededDataset:
    """A data set whose random numbers follow from the key of a :class:`Draw`.

    In the process of the training itself, its random states are as before afterwards. In a worker
    they stay, so that what a ``collate_fn`` may draw follows from the last sample. Attributes are
    read from the wrapped data set and written to it.

    Args:
        dataset: The data set or its config; it gets plain indices.
    """

    def __init__(self, dataset: Any) -> None:
        built = DATASETS.build(dataset) if isinstance(dataset, dict) else dataset
        self.__dict__['_dataset'] = built  # past __setattr__

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__') or name == '_dataset':
            raise AttributeError(name)
        return getattr(self._dataset, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._dataset, name, value)

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: Any) -> Any:
        """Return a sample; a plain index draws from the states of this process."""
        return self.__getitems__([index])[0] if isinstance(index, Draw) else self._dataset[index]

    def __getitems__(self, draws: Sequence[Draw]) -> list:
        """Return the samples of a batch; PyTorch calls this method instead of the single ones."""
        samples = []
        with kept_cpu_states() if get_worker_info() is None else nullcontext():
            for index, key in draws:
                seed_cpu(key)
                samples.append(self._dataset[index])
        return samples
