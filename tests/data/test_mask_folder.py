"""The check of a folder of masks before step 1."""

import numpy as np
import pytest
from PIL import Image

from mae_transfer.data import mask_folder
from mae_transfer.data.label_map import label_table
from mae_transfer.data.mask_folder import check_masks, describe_labels


@pytest.fixture
def cfg(tmp_path) -> dict:
    for name in ('a', 'sub/b'):
        for kind, suffix in (('img', '.jpg'), ('ann', '.png')):
            path = tmp_path / kind / f'{name}{suffix}'
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.array([[0, 1, 1, 2], [0, 1, 1, 2]], np.uint8)).save(path)
    steps = [dict(type='LoadAnnotations'), dict(type='MapLabels', num_classes=3, ignore_labels=[0])]
    dataset = dict(
        type='BaseSegDataset',
        data_root=str(tmp_path),
        data_prefix=dict(img_path='img', seg_map_path='ann'),
        metainfo=dict(classes=('grass', 'wall', 'sky')),
        pipeline=steps,
    )
    return dict(train_dataloader=dict(dataset=dataset))


def test_check_masks__tells_values_labels_names_and_shares(cfg):
    """Two masks of 2x4: a quarter 0, half 1, a quarter 2; class 'sky' (value 3) never."""
    lines, warnings = check_masks(cfg)
    assert [line.split() for line in lines[1:]] == [
        ['0', '->', '255', 'ignored', '25.0%'],
        ['1', '->', '0', 'grass', '50.0%'],
        ['2', '->', '1', 'wall', '25.0%'],
    ]
    assert len(warnings) == 1 and 'do not occur in the sample: sky' in warnings[0]


def test_describe_labels__warns_when_most_is_ignored():
    counts = np.zeros(256, np.int64)
    counts[[0, 1]] = 6, 4
    _, warnings = describe_labels(counts, label_table(num_classes=1, ignore_labels=[0]), ('a',))
    assert len(warnings) == 1 and '60% of the sampled pixels are ignored' in warnings[0]


def test_check_masks__value_without_a_meaning(cfg, tmp_path):
    Image.fromarray(np.full((2, 2), 77, np.uint8)).save(tmp_path / 'ann' / 'sub' / 'b.png')
    with pytest.raises(ValueError, match=r'b.png holds .*77 \(4 pixels\)'):
        check_masks(cfg)


def test_check_masks__samples_from_all_of_the_folder(cfg, tmp_path, monkeypatch):
    """Two of five masks: the first and the last, as folders are sorted by scene."""
    monkeypatch.setattr(mask_folder, 'SAMPLED_MASKS', 2)
    for i, name in enumerate('cde'):
        Image.fromarray(np.zeros((2, 4), np.uint8)).save(tmp_path / 'img' / f'{name}.jpg')
        Image.fromarray(np.full((2, 4), i, np.uint8)).save(tmp_path / 'ann' / f'{name}.png')
    Image.fromarray(np.full((2, 4), 3, np.uint8)).save(tmp_path / 'ann' / 'sub' / 'b.png')
    lines, _ = check_masks(cfg)
    assert lines[0].endswith('values of 2 of 5 masks')
    assert [line.split()[0] for line in lines[1:]] == ['0', '1', '2', '3']


def test_check_masks__of_one_bit(cfg, tmp_path):
    for name in ('a', 'sub/b'):
        Image.fromarray(np.eye(2, 4, dtype=bool)).save(tmp_path / 'ann' / f'{name}.png')
    lines, _ = check_masks(cfg)
    assert [line.split() for line in lines[1:]] == [
        ['0', '->', '255', 'ignored', '75.0%'],
        ['1', '->', '0', 'grass', '25.0%'],
    ]


def test_check_masks__color_masks(cfg, tmp_path):
    Image.fromarray(np.zeros((2, 2, 3), np.uint8)).save(tmp_path / 'ann' / 'a.png')
    with pytest.raises(ValueError, match='a.png .* the shape'):
        check_masks(cfg)


def test_check_masks__missing_mask_and_missing_folder(cfg, tmp_path):
    (tmp_path / 'ann' / 'a.png').unlink()
    with pytest.raises(FileNotFoundError, match=r'1 of 2 images have no mask.*a.png'):
        check_masks(cfg)
    cfg['train_dataloader']['dataset']['data_prefix']['img_path'] = 'nowhere'
    with pytest.raises(FileNotFoundError, match='train_dataloader.dataset.data_prefix.img_path'):
        check_masks(cfg)


def test_check_masks__a_config_without_map_labels_is_left_alone(cfg):
    cfg['train_dataloader']['dataset']['pipeline'].pop()
    assert check_masks(cfg) == ([], [])
