"""Whole and broken picture files of each format."""

import errno
import io
import pickle

import cv2
import numpy as np
import pytest
from PIL import Image

from mae_transfer.data import picture_files
from mae_transfer.data.picture_files import (
    UnreadableFile,
    is_local,
    why_broken,
    why_no_mask,
    why_undecodable,
)

RANDOM = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)


def encoded(kind: str, image: Image.Image | None = None, **options: object) -> bytes:
    stream = io.BytesIO()
    (image or Image.fromarray(RANDOM)).save(stream, kind, **options)
    return stream.getvalue()


WHOLE = {
    'jpeg': encoded('JPEG'),
    'progressive-jpeg': encoded('JPEG', progressive=True),
    'cmyk-jpeg': encoded('JPEG', Image.fromarray(RANDOM).convert('CMYK')),
    'png': encoded('PNG'),
    'palette-png': encoded('PNG', Image.fromarray(RANDOM).convert('P')),
    '16-bit-png': cv2.imencode('.png', RANDOM.astype(np.uint16) * 256)[1].tobytes(),
    'gif': encoded('GIF'),
    'webp': encoded('WEBP'),
    'bmp': encoded('BMP'),
    'tiff': encoded('TIFF', compression='tiff_lzw'),
    'float-tiff': cv2.imencode('.tif', RANDOM.astype(np.float32))[1].tobytes(),  # not of Pillow
    'big-endian-tiff': b'MM\0*\0\0\0\x08' + bytes(80),
}


@pytest.mark.parametrize('name', [*WHOLE, 'ppm', 'jpeg-2000'])
def test_why_broken__a_whole_file(name, tmp_path):
    more = {'ppm': encoded('PPM'), 'jpeg-2000': encoded('JPEG2000')}
    (tmp_path / 'file').write_bytes({**WHOLE, **more}[name])
    assert why_broken(str(tmp_path / 'file')) is None


@pytest.mark.parametrize('name', [name for name in WHOLE if 'big-endian' not in name])
@pytest.mark.parametrize('share', [0.3, 0.9])
def test_why_broken__a_part_of_a_file(name, share, tmp_path):
    content = WHOLE[name]
    (tmp_path / 'file').write_bytes(content[: int(share * len(content))])
    assert why_broken(str(tmp_path / 'file')).startswith('cut off')


@pytest.mark.parametrize(
    ('content', 'reason'),
    [
        (b'', 'empty'),
        (b'<html>404</html>', "not a picture, it starts with b'<html>404</h'"),
        (bytes(5000), 'not a picture'),
        (b'\xff\xd8\xff', 'cut off'),
    ],
)
def test_why_broken__other_content(content, reason, tmp_path):
    (tmp_path / 'a.jpg').write_bytes(content)
    assert why_broken(str(tmp_path / 'a.jpg')).startswith(reason)


def test_why_broken__no_file(tmp_path):
    assert why_broken(str(tmp_path / 'a.jpg')) == 'missing'
    assert why_broken(str(tmp_path)) == 'Is a directory'


def test_why_broken__a_whole_jpeg_with_bytes_behind_its_end(tmp_path):
    (tmp_path / 'a.jpg').write_bytes(WHOLE['jpeg'] + b'\0' * 100)
    assert why_broken(str(tmp_path / 'a.jpg')) is None


def test_why_broken__a_cut_jpeg_whose_thumbnail_is_whole(tmp_path):
    """The end of the thumbnail is no end of the picture."""
    segment = b'\xff\xe1' + (len(WHOLE['jpeg']) + 2).to_bytes(2, 'big') + WHOLE['jpeg']
    content = WHOLE['jpeg'][:2] + segment + WHOLE['jpeg'][2:]
    (tmp_path / 'a.jpg').write_bytes(content)
    assert why_broken(str(tmp_path / 'a.jpg')) is None
    (tmp_path / 'a.jpg').write_bytes(content[:-200])
    assert why_broken(str(tmp_path / 'a.jpg')).startswith('cut off')


def test_why_broken__a_process_without_file_handles_is_not_the_fault_of_a_file(monkeypatch):
    def refuse(*arguments):
        raise OSError(errno.EMFILE, 'Too many open files')

    monkeypatch.setattr(picture_files, 'open', refuse, raising=False)
    with pytest.raises(OSError, match='Too many open files'):
        why_broken('a.jpg')


@pytest.mark.parametrize('decoder', ['cv2', 'pillow'])
def test_why_undecodable__damage_between_the_ends(decoder, tmp_path):
    """Only decoding sees it."""
    path = tmp_path / 'a.png'
    path.write_bytes(WHOLE['png'])
    assert why_undecodable(str(path), decoder) is None
    content = bytearray(WHOLE['png'])
    content[300:2000] = bytes(1700)
    path.write_bytes(content)
    assert why_broken(str(path)) is None
    assert why_undecodable(str(path), decoder).startswith('not decoded by')


def test_why_undecodable__says_missing_and_empty(tmp_path):
    assert why_undecodable(str(tmp_path / 'a.png'), 'cv2') == 'missing'
    (tmp_path / 'a.png').touch()
    assert why_undecodable(str(tmp_path / 'a.png'), 'tifffile') == 'empty'


def test_why_no_mask__channels_and_size():
    assert why_no_mask(np.zeros((3, 5)), (3, 5)) is None
    assert why_no_mask(np.zeros((3, 5))) is None
    assert '5 x 3 pixels, and its picture 3 x 5' in why_no_mask(np.zeros((3, 5)), (5, 3))
    assert 'shape (3, 5, 2)' in why_no_mask(np.zeros((3, 5, 2)), (3, 5))


def test_is_local__paths_and_stores():
    assert is_local('/a/b.jpg')
    assert is_local('a.jpg', dict(backend='local'))
    assert not is_local('s3://a/b.jpg')
    assert not is_local('a/b.jpg', dict(backend='petrel', path_mapping={'a/': 's3://a/'}))


def test_unreadable_file__survives_the_way_out_of_a_worker():
    """It is pickled there, and a data loader makes a new one from the message alone."""
    error = pickle.loads(pickle.dumps(UnreadableFile('a.jpg', 'empty')))
    assert (error.path, error.reason) == ('a.jpg', 'empty')
    assert str(error).startswith('a.jpg cannot be read: empty; ')
    assert str(UnreadableFile('Caught UnreadableFile in ...')) == 'Caught UnreadableFile in ...'
