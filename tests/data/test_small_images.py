"""CIFAR-10 in both forms: the published pickles and a folder of pictures."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope
from PIL import Image

from mae_transfer.data.data_block import apply_data_block
from mae_transfer.data.picture_files import UnreadableFile
from mae_transfer.data.small_images import CIFAR10_CLASSES, PICKLES, SmallImages

CONFIGS = Path(__file__).resolve().parents[2] / 'configs/cifar'


def write_pickles(root: Path, images: int = 2, protocol: int = 2) -> dict[str, np.ndarray]:
    """Files as in the archive, with random pixels; pictures (n, 32, 32, 3) and labels by part."""
    rng = np.random.default_rng(0)
    folder = root / 'cifar-10-batches-py'
    folder.mkdir(parents=True)
    expected = {}
    for split, names in PICKLES.items():
        pictures, labels = [], []
        for name in names:
            pixels = rng.integers(0, 256, (images, 3, 32, 32), dtype=np.uint8)
            of_file = rng.integers(0, 10, images).tolist()
            content = {'data': pixels.reshape(images, -1), 'labels': of_file, 'batch_label': name}
            (folder / name).write_bytes(pickle.dumps(content, protocol=protocol))
            pictures += [picture.transpose(1, 2, 0) for picture in pixels]
            labels += of_file
        expected[split] = (np.stack(pictures), labels)
    return expected


def write_folder(root: Path, classes=CIFAR10_CLASSES, size=(32, 32)) -> np.ndarray:
    """One picture a class and part; returns those of the training part, (classes, H, W, 3)."""
    rng = np.random.default_rng(1)
    for split in ('test', 'train'):
        pictures = []
        for name in classes:
            (root / split / name).mkdir(parents=True)
            pictures.append(rng.integers(0, 256, (*size, 3), dtype=np.uint8))
            Image.fromarray(pictures[-1]).save(root / split / name / '0001.png')
    return np.stack(pictures)


@pytest.mark.parametrize('protocol', [2, 4, 5])
@pytest.mark.parametrize('inside', [False, True])
def test_small_images__read_the_published_pickles(tmp_path, protocol, inside):
    expected = write_pickles(tmp_path, protocol=protocol)
    root = tmp_path / 'cifar-10-batches-py' if inside else tmp_path
    for split, count in (('train', 10), ('test', 2)):
        dataset = SmallImages(str(root), split)
        pictures, labels = expected[split]
        assert len(dataset) == count
        assert [dataset[i]['gt_label'] for i in range(count)] == labels
        np.testing.assert_array_equal([dataset[i]['img'] for i in range(count)], pictures)
        assert dataset.metainfo['classes'] == CIFAR10_CLASSES


def test_small_images__read_a_folder_in_rgb(tmp_path):
    pictures = write_folder(tmp_path, size=(30, 34))
    (tmp_path / 'train' / 'cat' / 'notes.txt').write_text('no picture')
    dataset = SmallImages(str(tmp_path), 'train')
    assert len(dataset) == 10
    assert [dataset[i]['gt_label'] for i in range(10)] == list(range(10))
    np.testing.assert_array_equal([dataset[i]['img'] for i in range(10)], pictures)
    assert dataset.metainfo['classes'] == CIFAR10_CLASSES
    assert len(SmallImages(str(tmp_path), 'train', indices=3)) == 3


def test_small_images__a_sample_may_be_changed_without_harm(tmp_path):
    write_folder(tmp_path)
    dataset = SmallImages(str(tmp_path), 'test')
    before = dataset[0]['img'].copy()
    dataset[0]['img'][:] = 0
    np.testing.assert_array_equal(dataset[0]['img'], before)


def test_small_images__never_download_but_say_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match='unpack cifar-10-python.tar.gz.*data.root=FOLDER'):
        SmallImages(str(tmp_path), 'train')


def test_small_images__miss_a_file_of_the_archive(tmp_path):
    write_pickles(tmp_path)
    (tmp_path / 'cifar-10-batches-py' / 'data_batch_3').unlink()
    with pytest.raises(FileNotFoundError, match='data_batch_3 is missing'):
        SmallImages(str(tmp_path), 'train')


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (
            pickle.dumps({'data': np.zeros((2, 3072)), 'labels': [0, 1]}),
            'of float64.*not a file of',
        ),
        (pickle.dumps({'data': np.zeros((2, 48), np.uint8), 'labels': [0, 1]}), r'\(2, 48\)'),
        (b'\x80\x02}q', 'test_batch is damaged'),
        (pickle.dumps(print, protocol=2), 'asks pickle to call __builtin__.print'),
    ],
)
def test_small_images__refuse_another_file(tmp_path, content, message):
    write_pickles(tmp_path)
    (tmp_path / 'cifar-10-batches-py' / 'test_batch').write_bytes(content)
    with pytest.raises(ValueError, match=message):
        SmallImages(str(tmp_path), 'test')


def test_small_images__refuse_two_sizes_and_broken_pictures(tmp_path):
    write_folder(tmp_path)
    Image.new('RGB', (16, 32)).save(tmp_path / 'train' / 'truck' / '0002.png')
    with pytest.raises(ValueError, match='0002.png has 32x16 pixels, but the first picture 32x32'):
        SmallImages(str(tmp_path), 'train')
    (tmp_path / 'train' / 'truck' / '0002.png').write_bytes(b'no picture')
    dataset = SmallImages(str(tmp_path), 'train')
    with pytest.raises(UnreadableFile, match='0002.png cannot be read: not a picture'):
        dataset[len(dataset) - 1]
    described = dataset.get_data_info(len(dataset) - 1)  # the facts of a run name its pictures
    assert described['img_path'].endswith('0002.png') and 'img' not in described


def test_small_images__refuse_an_unknown_part_and_empty_folders(tmp_path):
    write_pickles(tmp_path)
    with pytest.raises(ValueError, match="data_prefix='val'.*parts train and test"):
        SmallImages(str(tmp_path), 'val')
    (tmp_path / 'images' / 'train').mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match='holds no folders'):
        SmallImages(str(tmp_path / 'images'), 'train')
    (tmp_path / 'images' / 'train' / 'cat').mkdir()
    with pytest.raises(FileNotFoundError, match='holds no pictures'):
        SmallImages(str(tmp_path / 'images'), 'train')


@pytest.mark.parametrize('form', ['pickles', 'folder', 'folder of three classes'])
@pytest.mark.parametrize(
    'config',
    [
        'mae_vit-tiny-p2_1xb4096-coslr-2000e_cifar10.py',
        'vit-tiny-p2_1xb128-coslr-100e_cifar10.py',
    ],
)
def test_data_root__is_all_that_a_recipe_needs(tmp_path, config, form):
    import mmpretrain.datasets  # noqa: F401  registers PackInputs

    classes = CIFAR10_CLASSES if form != 'folder of three classes' else ('a', 'b', 'c')
    if form == 'pickles':
        write_pickles(tmp_path)
    else:
        write_folder(tmp_path, classes)
    cfg = Config.fromfile(CONFIGS / config)
    cfg.merge_from_dict({'data.root': str(tmp_path)})
    apply_data_block(cfg, ['data.root'])
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        for loader in ('train_dataloader', 'val_dataloader'):
            if loader in cfg:
                dataset = DATASETS.build(cfg[loader].dataset)
                assert dataset.metainfo['classes'] == classes
                assert dataset[0]['inputs'].shape == (3, 32, 32)
    if 'head' in cfg.model and 'num_classes' in cfg.model.head:
        assert cfg.model.head.num_classes == len(classes)
