"""CIFAR-10, or a folder of pictures of one small size, decoded once and held in memory.

Pictures of 32 pixels fit into memory (the 60000 of CIFAR-10 take 184 MB), so no epoch opens a file.
"""

import pickle
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from mmengine.dataset import BaseDataset

from mae_transfer.compat.pickle_names import ArrayUnpickler, ForeignNameError
from mae_transfer.data.image_files import IMAGE_SUFFIXES
from mae_transfer.data.picture_files import UnreadableFile, why_broken
from mae_transfer.registry import DATASETS

PICKLE_FOLDER = 'cifar-10-batches-py'  # as the published archive unpacks
PICKLES = {
    'train': tuple(f'data_batch_{i}' for i in range(1, 6)),
    'test': ('test_batch',),
}
CIFAR10_CLASSES = (
    *('airplane', 'automobile', 'bird', 'cat', 'deer'),
    *('dog', 'frog', 'horse', 'ship', 'truck'),
)


@DATASETS.register_module()
class SmallImages(BaseDataset):
    """CIFAR-10 (Krizhevsky 2009) as it is published, or a folder of pictures of one size.

    Nothing is downloaded. ``data_root`` holds either

    - ``cifar-10-batches-py/``, the unpacked archive 'CIFAR-10 python version', or is that folder;
    - or ``{data_prefix}/<class>/*.png``; labels follow the sorted names of the folders, which for
      CIFAR-10 gives the labels of the archive.

    A sample has ``img`` (H, W, 3), RGB, uint8, ``gt_label`` and, of a folder, ``img_path``:
    pipelines need no loading step, and preprocessors no change of channels. A picture of a folder
    that cannot be read is an error when it is drawn, as in the data sets that open a file for each
    draw.

    Attributes:
        unreadable: Pictures of a folder that cannot be read -> why.

    Args:
        data_root: Folder of the data.
        data_prefix: 'train' or 'test'; of an image folder, any folder in ``data_root``.
        pipeline: Transforms.
        indices: Use only the first so many pictures, or those of these places.

    Raises:
        FileNotFoundError: If ``data_root`` holds neither form.
        ValueError: If a file of the archive is damaged, or pictures differ in size.
    """

    def __init__(
        self,
        data_root: str,
        data_prefix: str = 'train',
        pipeline: Sequence[dict | Callable] = (),
        indices: int | Sequence[int] | None = None,
    ) -> None:
        self.split = data_prefix
        self.unreadable: dict[str, str] = {}
        super().__init__(
            data_root=data_root,
            data_prefix=dict(),
            pipeline=list(pipeline),
            indices=indices,
            serialize_data=True,
        )

    def prepare_data(self, idx: int) -> object:
        """Return a sample after the transforms.

        Raises:
            UnreadableFile: Its picture cannot be read.
        """
        path = self.get_data_info(idx).get('img_path')
        if path in self.unreadable:
            raise UnreadableFile(path, self.unreadable[path])
        return super().prepare_data(idx)

    def load_data_list(self) -> list[dict]:
        """Read all pictures."""
        root = Path(self.data_root)
        for folder in (root / PICKLE_FOLDER, root):
            if any((folder / name).is_file() for names in PICKLES.values() for name in names):
                return self._from_pickles(folder)
        if (root / self.split).is_dir():
            return self._from_folders(root / self.split)
        raise FileNotFoundError(
            f'{root} holds neither {PICKLE_FOLDER}/ nor {self.split}/<class>/*.png: unpack '
            'cifar-10-python.tar.gz of https://www.cs.toronto.edu/~kriz/cifar.html there, or say '
            'where the pictures are with --cfg-options data.root=FOLDER'
        )

    def _from_pickles(self, folder: Path) -> list[dict]:
        if self.split not in PICKLES:
            raise ValueError(
                f'data_prefix={self.split!r}: {folder} has the parts {" and ".join(PICKLES)}'
            )
        self._metainfo['classes'] = CIFAR10_CLASSES
        return [sample for name in PICKLES[self.split] for sample in _read_pickle(folder / name)]

    def _from_folders(self, folder: Path) -> list[dict]:
        classes = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
        if not classes:
            raise FileNotFoundError(f'{folder} holds no folders: one for each class is needed')
        self._metainfo['classes'] = tuple(classes)
        samples: list[dict] = []
        size = None
        for label, name in enumerate(classes):
            for path in sorted((folder / name).iterdir()):
                if path.suffix.lower() not in IMAGE_SUFFIXES:
                    continue
                img = self._read(str(path))
                if img is None:
                    samples.append(dict(img_path=str(path), gt_label=label))  # described, not drawn
                    continue
                size = size or img.shape[:2]
                if img.shape[:2] != size:
                    raise ValueError(
                        f'{path} has {img.shape[0]}x{img.shape[1]} pixels, but the first picture '
                        f'{size[0]}x{size[1]}: SmallImages needs one size; resize them, or use a '
                        'CustomDataset'
                    )
                samples.append(dict(img=img, img_path=str(path), gt_label=label))
        if not samples:
            raise FileNotFoundError(
                f'{folder} holds no pictures: {", ".join(IMAGE_SUFFIXES)} are read'
            )
        return samples

    def _read(self, path: str) -> np.ndarray | None:
        """Read a picture, (H, W, 3), RGB; None, and a reason in ``unreadable``, if it is broken."""
        reason = why_broken(path)
        img = None if reason else cv2.imread(path, cv2.IMREAD_COLOR_RGB)
        if img is None:
            self.unreadable[path] = reason or 'not decoded by OpenCV'
        return img


def _read_pickle(path: Path) -> list[dict]:
    """Read one file of the archive: rows of 1024 red, 1024 green and 1024 blue values.

    MMPretrain's reader takes the files of the archive alone, by their MD5, and then lets pickle
    call what they name. Here a file may have been written again, by another NumPy or for a part of
    the pictures, and no file can run code.
    """
    if not path.is_file():
        raise FileNotFoundError(f'{path} is missing: unpack cifar-10-python.tar.gz once more')
    try:
        with path.open('rb') as stream:  # latin1: its strings are those of Python 2
            content = ArrayUnpickler(stream, encoding='latin1').load()
    except ForeignNameError as error:
        raise ValueError(
            f'{path} asks pickle to call {error}, which a file of CIFAR-10 does not: take it from '
            'https://www.cs.toronto.edu/~kriz/cifar.html'
        ) from error
    except (pickle.UnpicklingError, EOFError) as error:
        raise ValueError(f'{path} is damaged: unpack cifar-10-python.tar.gz once more') from error
    pixels, labels = np.asarray(content['data']), content['labels']
    if pixels.dtype != np.uint8 or pixels.shape != (len(labels), 3 * 32 * 32):
        raise ValueError(
            f'{path} holds {len(labels)} labels and pixels {pixels.shape} of {pixels.dtype}, not '
            '(labels, 3072) of uint8: it is not a file of CIFAR-10'
        )
    images = pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return [
        dict(img=np.ascontiguousarray(img), gt_label=int(label))
        for img, label in zip(images, labels, strict=True)
    ]
