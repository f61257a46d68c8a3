"""Broken pictures of an evaluation, found before it starts."""

import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile
from mmengine.dataset import BaseDataset, ConcatDataset
from mmseg.datasets.transforms import LoadAnnotations
from PIL import Image

from mae_transfer.data.evaluated_pictures import check_evaluated_pictures
from mae_transfer.data.guarded_loading import guard_loading
from mae_transfer.data.small_images import SmallImages


class Files(BaseDataset):
    def __init__(self, folder, **options) -> None:
        self.folder = folder
        super().__init__(**options)

    def load_data_list(self):
        return [
            dict(img_path=f'{self.folder}/{i}.png', seg_map_path=f'{self.folder}/m{i}.png')
            for i in range(5)
        ]


@pytest.fixture
def dataset(tmp_path) -> ConcatDataset:
    """Ten pictures; the masks of the first five are read."""
    for folder in ('a', 'b'):
        (tmp_path / folder).mkdir()
        for i in range(5):
            for name in (f'{i}.png', f'm{i}.png'):
                Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / folder / name)
    both = ConcatDataset(
        [
            Files(tmp_path / 'a', pipeline=[LoadImageFromFile(), LoadAnnotations()]),
            Files(tmp_path / 'b', pipeline=[LoadImageFromFile()]),
        ]
    )
    guard_loading(both)
    return both


def test_check__whole_files(dataset, tmp_path):
    (tmp_path / 'b' / 'm0.png').unlink()  # of which no step reads anything
    assert check_evaluated_pictures(dataset) is None


def test_check__names_broken_files(dataset, tmp_path):
    (tmp_path / 'a' / 'm2.png').write_bytes(b'')
    (tmp_path / 'b' / '4.png').unlink()
    with pytest.raises(ValueError, match=r'2 of 15 .*a/m2.png \(empty\), .*b/4.png \(missing\);'):
        check_evaluated_pictures(dataset)


def test_check__names_a_few_of_many(dataset, tmp_path):
    for i in range(5):
        (tmp_path / 'a' / f'{i}.png').write_bytes(b'')
    with pytest.raises(ValueError, match=r'5 of 15 .* and 2 more; an evaluation needs all'):
        check_evaluated_pictures(dataset)


def test_check__says_what_it_had_no_time_for(dataset):
    assert check_evaluated_pictures(dataset, seconds=0).startswith('0 of 15 files')


def test_check__pictures_that_were_read_already(tmp_path):
    for name in ('cat', 'dog'):
        (tmp_path / 'test' / name).mkdir(parents=True)
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / 'test' / name / '0.png')
    (tmp_path / 'test' / 'dog' / '0.png').write_bytes(b'')
    with pytest.raises(ValueError, match=r'1 of 2 .*dog/0.png \(empty\)'):
        check_evaluated_pictures(SmallImages(str(tmp_path), 'test'))
