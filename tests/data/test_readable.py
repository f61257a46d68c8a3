"""A data set that draws another sample in place of one that cannot be read."""

import pickle
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile
from mmengine.dataset import BaseDataset, Compose
from mmengine.registry import DATASETS
from mmengine.runner import Runner
from PIL import Image

from mae_transfer.data.bad_files import BadFiles
from mae_transfer.data.guarded_loading import GuardedStep
from mae_transfer.data.picture_files import UnreadableFile
from mae_transfer.data.readable import TRIES, ReadableDataset, readable


@DATASETS.register_module()
class NumbersInFiles(BaseDataset):
    """The numbers from 0; some cannot be read."""

    def __init__(self, length: int = 10, broken: tuple[int, ...] = (), **options: object) -> None:
        self.length, self.broken = length, broken
        super().__init__(**options)

    def load_data_list(self):
        return [dict(number=i) for i in range(self.length)]

    def prepare_data(self, idx):
        if idx >= self.length:
            raise IndexError(idx)
        if idx in self.broken:
            raise UnreadableFile(f'{idx}.jpg', 'empty')
        return idx

    def __getitems__(self, indices):
        raise AssertionError('the data loader goes past the wrapper')


def wrapped(tmp_path, **options) -> ReadableDataset:
    return ReadableDataset(dict(type='NumbersInFiles', **options), tmp_path / 'bad_files.txt')


def test_readable__replaces_counts_and_lists(tmp_path):
    dataset = wrapped(tmp_path, broken=(2, 5))
    np.random.seed(0)
    drawn = [dataset[i] for i in range(10)]
    assert [number for i, number in enumerate(drawn) if i not in (2, 5)] == [0, 1, 3, 4, 6, 7, 8, 9]
    assert not {2, 5} & set(drawn)
    draws, bad = dataset.bad_files.totals()
    assert bad >= 2 and draws == 10 + bad
    assert (tmp_path / 'bad_files.txt').read_text() == '2.jpg\tempty\n5.jpg\tempty\n'


def test_readable__replacements_follow_the_seed(tmp_path):
    dataset = wrapped(tmp_path, length=1000, broken=(2, 5))

    def draw(seed: int) -> list[int]:
        np.random.seed(seed)
        return [dataset[2], dataset[5]]

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)


def test_readable__a_bug_stays_an_error(tmp_path):
    dataset = wrapped(tmp_path)
    with pytest.raises(IndexError):
        dataset[10]
    assert not (tmp_path / 'bad_files.txt').exists()


def test_readable__nothing_can_be_read(tmp_path):
    dataset = wrapped(tmp_path, length=3, broken=(0, 1, 2))
    with pytest.raises(ValueError, match=rf'{TRIES} draws in a row.*jpg \(empty\).*data.root'):
        dataset[0]


def test_readable__passes_for_the_data_set_inside(tmp_path):
    dataset = wrapped(tmp_path, metainfo=dict(classes=('a',)))
    assert len(dataset) == 10
    assert dataset.metainfo == {'classes': ('a',)}
    assert dataset.get_data_info(3)['number'] == 3
    assert not hasattr(dataset, '__getitems__')


def test_readable__a_pipeline_that_is_exchanged_is_guarded(tmp_path):
    """As MMDetection's PipelineSwitchHook does it."""
    dataset = wrapped(tmp_path)
    dataset.pipeline = Compose([LoadImageFromFile()])
    assert 'pipeline' not in vars(dataset)
    assert isinstance(dataset._dataset.pipeline.transforms[0], GuardedStep)


@pytest.mark.parametrize('workers', [0, 2])
def test_readable__counts_over_workers_and_epochs(workers, tmp_path):
    loader = dict(
        batch_size=2, num_workers=workers, sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(type='NumbersInFiles', length=20, broken=(1, 19)),
    )  # fmt: skip
    loader = Runner.build_dataloader(readable(loader, tmp_path), seed=0)
    seen = [number for _ in range(3) for batch in loader for number in batch]
    assert len(seen) == 60 and not {1, 19} & set(seen)
    draws, bad = loader.dataset.bad_files.totals()
    assert bad >= 6 and draws == 60 + bad
    assert sorted(loader.dataset.bad_files.listed()) == ['1.jpg', '19.jpg']


def test_readable__workers_that_are_spawned_share_the_counters(tmp_path):
    """They get the data set pickled, as PyTorch pickles for other processes."""
    dataset = wrapped(tmp_path, length=4)
    dataset.bad_files = BadFiles(tmp_path / 'bad_files.txt', workers=1)
    sent = pickle.loads(ForkingPickler.dumps(dataset))
    assert sent[3] == 3
    assert dataset.bad_files.totals() == (1, 0)


def test_readable__pictures_held_in_memory(tmp_path):
    for name in ('cat', 'dog'):
        (tmp_path / 'train' / name).mkdir(parents=True)
        Image.fromarray(np.full((4, 4, 3), 9, np.uint8)).save(tmp_path / 'train' / name / '0.png')
    (tmp_path / 'train' / 'cat' / '0.png').write_bytes(b'')
    images = dict(type='SmallImages', data_root=str(tmp_path))
    dataset = ReadableDataset(images, tmp_path / 'bad_files.txt')
    assert [dataset[i]['gt_label'] for i in range(2)] == [1, 1]
    assert list(dataset.bad_files.listed()) == [str(tmp_path / 'train' / 'cat' / '0.png')]


def test_readable__counts_in_a_row_of_each_worker(tmp_path):
    loader = dict(
        batch_size=2, num_workers=2, sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(type='NumbersInFiles', length=6),
    )  # fmt: skip
    loader = Runner.build_dataloader(readable(loader, tmp_path))
    assert len(list(loader)) == 3
    assert loader.dataset.bad_files.counts[:, 0].tolist() == [0, 4, 2]


def test_readable__leaves_the_config_alone(tmp_path):
    loader = dict(batch_size=2, dataset=dict(type='NumbersInFiles'))
    readable(loader, tmp_path)
    assert loader == dict(batch_size=2, dataset=dict(type='NumbersInFiles'))
