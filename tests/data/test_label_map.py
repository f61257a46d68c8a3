"""From the values of a mask to labels: written out, checked, and equal to mmseg for ADE20K."""

import numpy as np
import pytest
from PIL import Image

from mae_transfer.data.label_map import MapLabels, label_table, map_labels, read_class_file


def test_map_labels__ade20k_equals_reduce_zero_label_of_mmseg(tmp_path):
    """All values of ADE20K, and 255, through mmseg's own loading with reduce_zero_label."""
    from mmseg.datasets.transforms import LoadAnnotations

    rng = np.random.default_rng(0)
    values = rng.choice([*range(151), 255], (37, 53)).astype(np.uint8)
    path = str(tmp_path / 'mask.png')
    Image.fromarray(values).save(path)

    def load(reduce_zero_label: bool) -> dict:
        results = dict(seg_map_path=path, seg_fields=[], reduce_zero_label=reduce_zero_label)
        return LoadAnnotations().transform(results)

    ours = MapLabels(num_classes=150, ignore_labels=[0])(load(False))['gt_seg_map']
    theirs = load(True)['gt_seg_map']
    np.testing.assert_array_equal(ours, theirs)
    assert ours.dtype == theirs.dtype


def test_label_table__by_hand():
    table = label_table(num_classes=3, ignore_labels=[0, 2])
    assert table[:6].tolist() == [255, 0, 255, 1, 2, -1]
    table = label_table(label_map={'4': 1, 7: 0, 9: 'ignore'})  # --cfg-options gives text keys
    assert {v: int(table[v]) for v in (4, 7, 9, 255, 5)} == {4: 1, 7: 0, 9: 255, 255: 255, 5: -1}
    assert label_table(2, ignore_labels=0).tolist() == label_table(2, ignore_labels=[0]).tolist()


@pytest.mark.parametrize(
    'arguments, message',
    [
        (dict(), 'either num_classes or label_map'),
        (dict(num_classes=2, label_map={1: 0}), 'either num_classes or label_map'),
        (dict(num_classes=256), 'num_classes=256'),
        (dict(label_map={300: 0}), 'outside 0..255'),
        (dict(label_map={1: 0}, ignore_labels=[1]), 'both a class and ignored'),
    ],
)
def test_label_table__refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        label_table(**arguments)


@pytest.mark.parametrize(
    'seg, message',
    [
        (
            np.array([[0, 1, 3, 3]], np.uint8),
            r'a.png holds .*: 3 \(2 pixels\); .*ignore_labels=\[3\]',
        ),
        (
            np.zeros((2, 3, 3), np.uint8),
            r'a.png .* the shape \(2, 3, 3\).*colors must be converted',
        ),
        (np.array([[1000]], np.uint16), 'a.png .* values from 1000 to 1000'),
    ],
)
def test_map_labels__names_file_value_and_count(seg, message):
    with pytest.raises(ValueError, match=message):
        map_labels(seg, label_table(num_classes=2, ignore_labels=[0]), 'a.png')


@pytest.mark.parametrize('moved', [dict(reduce_zero_label=True), dict(label_map={0: 1})])
def test_map_labels__refuses_labels_that_were_moved_before(moved):
    results = dict(gt_seg_map=np.zeros((2, 3), np.uint8), seg_map_path='a.png', **moved)
    with pytest.raises(ValueError, match='again'):
        MapLabels(num_classes=2)(results)


@pytest.mark.parametrize(
    'text, expected',
    [
        ('road\n\n side walk \n', (['road', 'side walk'], None)),
        ('7 road\n26: side walk\n', (['road', 'side walk'], [7, 26])),
        ('0 road\n', (['road'], [0])),
        ('3 wheeler\ncar\n', (['3 wheeler', 'car'], None)),
    ],
)
def test_read_class_file__names_or_values_and_names(tmp_path, text, expected):
    (tmp_path / 'c.txt').write_text(text)
    assert read_class_file(tmp_path / 'c.txt') == expected


@pytest.mark.parametrize(
    'text, message', [('', 'no class names'), ('a\na\n', 'name a'), ('1 a\n1 b', 'value 1')]
)
def test_read_class_file__refuses(tmp_path, text, message):
    (tmp_path / 'c.txt').write_text(text)
    with pytest.raises(ValueError, match=message):
        read_class_file(tmp_path / 'c.txt')
    with pytest.raises(FileNotFoundError, match='data.classes'):
        read_class_file(tmp_path / 'd.txt')
