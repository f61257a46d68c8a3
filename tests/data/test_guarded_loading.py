"""Loading steps that name the file to blame."""

import pickle

import numpy as np
import pytest
from mmcv.transforms import BaseTransform, LoadImageFromFile, RandomApply, Resize, TestTimeAug
from mmengine.dataset import BaseDataset, Compose, ConcatDataset
from mmseg.datasets.transforms import LoadAnnotations
from PIL import Image

from mae_transfer.data.guarded_loading import (
    GuardedStep,
    guard_loading,
    guard_steps,
    iter_guarded,
    iter_parts,
    read_key,
)
from mae_transfer.data.picture_files import UnreadableFile


class LoadArray(BaseTransform):
    """Someone's step for files of another format."""

    def transform(self, results):
        results['img'] = np.load(results['array_path'])
        return results


class Files(BaseDataset):
    def load_data_list(self):
        return [dict(img_path='a.png')]


@pytest.fixture
def results(tmp_path) -> dict:
    """A picture of 5 x 3 pixels and its mask."""
    Image.fromarray(np.zeros((3, 5, 3), np.uint8)).save(tmp_path / 'a.png')
    Image.fromarray(np.zeros((3, 5), np.uint8)).save(tmp_path / 'mask.png')
    return dict(
        img_path=str(tmp_path / 'a.png'), seg_map_path=str(tmp_path / 'mask.png'),
        seg_fields=[], reduce_zero_label=False,
    )  # fmt: skip


def test_guarded_step__whole_files_load_as_without_it(results):
    load = Compose([LoadImageFromFile(), LoadAnnotations()])
    expected = load({**results, 'seg_fields': []})
    guard_steps(load.transforms)
    loaded = load(results)
    assert loaded.keys() == expected.keys()
    np.testing.assert_array_equal(loaded['img'], expected['img'])
    np.testing.assert_array_equal(loaded['gt_seg_map'], expected['gt_seg_map'])


@pytest.mark.parametrize('content', [b'', b'text', None])
def test_guarded_step__names_the_broken_picture(results, content, tmp_path):
    if content is None:
        (tmp_path / 'a.png').unlink()
    else:
        (tmp_path / 'a.png').write_bytes(content)
    with pytest.raises(UnreadableFile) as caught:
        GuardedStep(LoadImageFromFile())(results)
    assert caught.value.path == results['img_path']


def test_guarded_step__names_the_mask_and_not_its_picture(results, tmp_path):
    """Damage that only the decoder sees."""
    noise = np.random.default_rng(0).integers(0, 255, (60, 60), np.uint8)
    Image.fromarray(noise).save(tmp_path / 'mask.png')
    content = bytearray((tmp_path / 'mask.png').read_bytes())
    content[100:2000] = bytes(1900)
    (tmp_path / 'mask.png').write_bytes(content)
    with pytest.raises(UnreadableFile, match='not decoded by Pillow') as caught:
        GuardedStep(LoadAnnotations())(GuardedStep(LoadImageFromFile())(results))
    assert caught.value.path == results['seg_map_path']
    assert caught.value.__cause__ is not None


def test_guarded_step__a_mask_of_another_size(results, tmp_path):
    """The size is that of the file, although the picture was resized before, as in a test."""
    steps = Compose([LoadImageFromFile(), Resize(scale=(50, 30)), LoadAnnotations()])
    guard_steps(steps)
    steps({**results, 'seg_fields': []})
    Image.fromarray(np.zeros((30, 50), np.uint8)).save(tmp_path / 'mask.png')
    with pytest.raises(UnreadableFile, match='50 x 30 pixels, and its picture 5 x 3'):
        steps(results)


def test_guarded_step__what_is_not_the_fault_of_a_file_stays(results):
    with pytest.raises(KeyError, match='colour'):
        GuardedStep(LoadImageFromFile(color_type='colour'))(results)
    with pytest.raises(ValueError, match='backend: none is not supported'):
        GuardedStep(LoadImageFromFile(imdecode_backend='none'))(results)
    with pytest.raises(KeyError, match='img_path'):
        GuardedStep(LoadImageFromFile())({})


def test_guarded_step__a_file_of_another_format(tmp_path):
    """Whether it is broken is not known, but whether it is there."""
    step, path = GuardedStep(LoadArray()), tmp_path / 'a.npy'
    with pytest.raises(UnreadableFile, match='missing'):
        step(dict(array_path=str(path)))
    path.write_bytes(b'1234')
    with pytest.raises(ValueError, match='pickled') as caught:
        step(dict(array_path=str(path)))
    assert not isinstance(caught.value, UnreadableFile)
    np.save(path, np.ones(3))
    assert step(dict(array_path=str(path)))['img'].sum() == 3


def test_guarded_step__passes_for_its_step():
    step = pickle.loads(pickle.dumps(GuardedStep(LoadImageFromFile(to_float32=True))))
    assert step.to_float32
    assert repr(step) == repr(LoadImageFromFile(to_float32=True))


def test_read_key__by_step():
    assert read_key(LoadImageFromFile()) == 'img_path'
    assert read_key(LoadAnnotations()) == 'seg_map_path'
    assert read_key(LoadArray()) is None


def test_guard_loading__every_loading_step_once():
    nested = RandomApply([LoadImageFromFile()], prob=1.0)
    views = TestTimeAug([[LoadAnnotations()], [Resize(scale=8)]])
    first = Files(pipeline=[nested, LoadImageFromFile(ignore_empty=True), views])
    second = Files(pipeline=[LoadArray()])
    both = ConcatDataset([first, second])
    guard_loading(both)
    guard_loading(both)
    found = [
        [type(step.step).__name__ for step in iter_guarded(getattr(part, 'pipeline', None))]
        for part in iter_parts(both)
    ]
    assert found == [[], ['LoadImageFromFile', 'LoadAnnotations'], ['LoadArray']]
