"""Names of picture files."""

import pytest

from mae_transfer.data.image_files import common_suffix


def test_common_suffix__one_kind_of_picture_or_an_error(tmp_path):
    assert common_suffix(str(tmp_path / 'nowhere')) is None
    (tmp_path / 'below').mkdir()
    for name in ('a.jpg', 'below/b.jpg', 'notes.txt'):
        (tmp_path / name).touch()
    assert common_suffix(str(tmp_path)) == '.jpg'
    (tmp_path / 'below/c.png').touch()
    with pytest.raises(ValueError, match='mixes .jpg and .png'):
        common_suffix(str(tmp_path))


def test_common_suffix__in_capitals(tmp_path):
    for name in ('a.JPG', 'b.JPG', 'notes.TXT'):
        (tmp_path / name).touch()
    assert common_suffix(str(tmp_path)) == '.JPG'
