"""Random crop for linear probes: drawn once, and cut where it sticks out of the image.

The random-resized crop of PyTorch, MMPretrain and timm draws again when a crop sticks out of the
image. TensorFlow's, on which MAE's and CAE's linear probes rely, does not: wide and high crops are
cut off at the border and so are more frequent.
"""

import math

import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness

from mae_transfer.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomClippedCrop(BaseTransform):
    """Crop a random part of an image and resize it, as util/crop.py of MAE's code.

    Required and changed key: ``img``; changed key: ``img_shape``.

    Args:
        scale: Side of the result, in pixels.
        crop_ratio_range: Area of the crop before it is cut, as a fraction of the image's.
        aspect_ratio_range: Width over height of the crop before it is cut, drawn log-uniformly.
        interpolation: 'nearest', 'bilinear', 'bicubic' or 'lanczos'.
        backend: 'pillow', which smooths when it shrinks as the papers' code does, or 'cv2'.

    Raises:
        ValueError: If ``scale`` is not positive or a range is empty or not positive.
    """

    def __init__(
        self,
        scale: int,
        crop_ratio_range: tuple[float, float] = (0.08, 1.0),
        aspect_ratio_range: tuple[float, float] = (3 / 4, 4 / 3),
        interpolation: str = 'bicubic',
        backend: str = 'pillow',
    ) -> None:
        if scale < 1:
            raise ValueError(f'scale={scale}: must be a positive number of pixels')
        for name, (low, high) in (
            ('crop_ratio_range', crop_ratio_range),
            ('aspect_ratio_range', aspect_ratio_range),
        ):
            if not 0 < low <= high:
                raise ValueError(f'{name}={(low, high)}: must be (low, high) with 0 < low <= high')
        self.scale = scale
        self.crop_ratio_range = (crop_ratio_range[0], crop_ratio_range[1])
        self.aspect_ratio_range = (aspect_ratio_range[0], aspect_ratio_range[1])
        self.interpolation, self.backend = interpolation, backend

    @cache_randomness
    def draw_crop(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Draw a crop: top, left, height and width, in pixels."""
        area = np.random.uniform(*self.crop_ratio_range) * height * width
        aspect = math.exp(np.random.uniform(*np.log(self.aspect_ratio_range)))
        crop_height = min(max(round(math.sqrt(area / aspect)), 1), height)
        crop_width = min(max(round(math.sqrt(area * aspect)), 1), width)
        top = np.random.randint(0, height - crop_height + 1)
        left = np.random.randint(0, width - crop_width + 1)
        return top, left, crop_height, crop_width

    def transform(self, results: dict) -> dict:
        """Crop and resize ``results['img']``, (H, W, C)."""
        image = results['img']
        top, left, height, width = self.draw_crop(*image.shape[:2])
        results['img'] = mmcv.imresize(
            image[top : top + height, left : left + width],
            (self.scale, self.scale),
            interpolation=self.interpolation,
            backend=self.backend,
        )
        results['img_shape'] = results['img'].shape[:2]
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(scale={self.scale}, crop_ratio_range={self.crop_ratio_range}, '
            f'aspect_ratio_range={self.aspect_ratio_range}, '
            f'interpolation={self.interpolation!r}, backend={self.backend!r})'
        )
