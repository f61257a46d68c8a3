"""Tells a whole picture file from one that is missing, empty, cut off or no picture.

A decoder is no judge of that: OpenCV fills the lost part of a JPEG file that it opens by itself
with gray, and whether it does so for bytes in memory depends on its release.
"""

import errno
import io
import os
from collections.abc import Callable, Mapping

import cv2
import numpy as np
from mmengine.fileio import get
from PIL import Image

ENDS_BYTES = 64  # read at either end of a file; the marks of the end are shorter
# Not the fault of the file that happened to be opened.
SHORT_OF_RESOURCES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


class UnreadableFile(ValueError):
    """A file that no training can use; training draws another sample in its place.

    Attributes:
        path: The file.
        reason: What is wrong with it, to be read after the path.
    """

    def __init__(self, path: str, reason: str = '') -> None:
        # A data loader raises the error of a worker again with a single argument, its message.
        remedy = 'repair it, or take it out of the data'
        super().__init__(f'{path} cannot be read: {reason}; {remedy}' if reason else path)
        self.path, self.reason = path, reason


def is_local(path: str, backend_args: Mapping | None = None) -> bool:
    """Return whether MMEngine reads a path from this machine, not from a store of objects."""
    return '://' not in path and (backend_args or {}).get('backend', 'local') == 'local'


def why_broken(path: str) -> str | None:
    """Return why a file is no whole picture, judged by its size, its start and its end.

    This takes a small part of the time of decoding it. A file that does not end as its format asks,
    which some cameras write, is decoded to be sure.

    Args:
        path: A file of this machine.

    Returns:
        The reason, or None: the file may be whole.

    Raises:
        OSError: This process has no file handles or no memory left.
    """
    try:
        with open(path, 'rb') as file:
            head = file.read(ENDS_BYTES)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - ENDS_BYTES))
            tail = file.read()
    except FileNotFoundError:
        return 'missing'
    except OSError as error:
        if error.errno in SHORT_OF_RESOURCES:
            raise
        return error.strerror or str(error)
    if size == 0:
        return 'empty'
    is_whole = next((check for start, check in FORMATS.items() if head.startswith(start)), None)
    if is_whole is None:  # a format of which the ends tell little, or no picture
        if cv2.haveImageReader(path) or _pillow_error(path, decode=False) is None:
            return None
        return f'not a picture, it starts with {head[:12]!r}'
    if is_whole(head, tail, size):
        return None
    refusal = _pillow_error(path, decode=True)
    return f'cut off: {refusal}' if refusal else None


def why_undecodable(path: str, decoder: str, backend_args: dict | None = None) -> str | None:
    """Return why a decoder cannot decode a picture, or None if it can.

    Args:
        path: The file, or a name in a store of objects.
        decoder: MMCV's ``imdecode_backend``; others than 'cv2' and 'pillow' are not tried, as their
            packages may be missing.
        backend_args: How to reach the store, as MMEngine's ``get`` takes it.
    """
    if is_local(path, backend_args) and (reason := why_broken(path)):
        return reason
    try:
        content = get(path, backend_args=backend_args)
    except OSError as error:
        if error.errno in SHORT_OF_RESOURCES:
            raise
        return 'missing' if isinstance(error, FileNotFoundError) else str(error)
    if not content:
        return 'empty'
    if decoder == 'pillow':
        refusal = _pillow_error(io.BytesIO(content), decode=True)
        return f'not decoded by Pillow: {refusal}' if refusal else None
    return _opencv_error(content) if decoder == 'cv2' else None


def why_no_mask(mask: np.ndarray, picture_shape: tuple[int, int] | None = None) -> str | None:
    """Return why a decoded mask cannot belong to its picture, or None if it can.

    Args:
        mask: What was decoded, (H, W) if all is well.
        picture_shape: (H, W) of the picture as it was read, or None if that is not known.
    """
    if mask.ndim != 2:
        return (
            f'it has the shape {mask.shape}, and a mask has one channel whose values are class '
            'numbers, so that colors must be converted first'
        )
    if picture_shape is not None and mask.shape != tuple(picture_shape[:2]):
        sizes = [f'{shape[1]} x {shape[0]}' for shape in (mask.shape, picture_shape)]
        return f'this mask has {sizes[0]} pixels, and its picture {sizes[1]}'
    return None


def _opencv_error(content: bytes) -> str | None:
    try:
        picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:  # such as more pixels than OpenCV takes
        return f'not decoded by OpenCV: {" ".join(error.err.split())}'
    return 'not decoded by OpenCV' if picture is None else None


def _pillow_error(file: str | io.BytesIO, decode: bool) -> str | None:
    """Return what Pillow says against a file, in one line, or None.

    Pillow's plugins raise errors of any class for bytes that they do not expect.
    """
    try:
        with Image.open(file) as image:
            if decode:
                image.load()
    except MemoryError:
        raise
    except Exception as error:
        return ' '.join(str(error).split()) or type(error).__name__
    return None


def _number(content: bytes) -> int:
    return int.from_bytes(content, 'little')


def _tiff_directory(head: bytes, size: int) -> bool:
    """Return whether the directory of a TIFF file, which is often at its end, is inside it."""
    return int.from_bytes(head[4:8], 'little' if head.startswith(b'II') else 'big') < size


# How a format starts -> whether a file ends as it should, from (head, tail, size).
FORMATS: dict[bytes, Callable[[bytes, bytes, int], bool]] = {
    b'\xff\xd8\xff': lambda head, tail, size: tail.endswith(b'\xff\xd9'),  # JPEG
    b'\x89PNG\r\n\x1a\n': lambda head, tail, size: tail.endswith(b'IEND\xaeB`\x82'),
    b'GIF8': lambda head, tail, size: tail.endswith(b';'),
    b'RIFF': lambda head, tail, size: _number(head[4:8]) + 8 <= size,  # WebP
    b'BM': lambda head, tail, size: _number(head[2:6]) <= size,
    b'II*\x00': lambda head, tail, size: _tiff_directory(head, size),
    b'MM\x00*': lambda head, tail, size: _tiff_directory(head, size),
}
