"""One random crop at two sizes: for the encoder, and for the tokenizer that makes its targets."""

import numpy as np
from mmcv.transforms import BaseTransform
from PIL import Image
from torchvision.transforms import InterpolationMode, RandomResizedCrop
from torchvision.transforms.functional import resized_crop

from mae_transfer.registry import TRANSFORMS


@TRANSFORMS.register_module()
class TwoSizeCrop(BaseTransform):
    """Crop a random part of an image once and resize it twice (as BEiT's and CAE's code).

    A tokenizer with codes of 8 pixels gives one token per patch of 16 when its view has half the
    size. A flip comes before this transform, so that both views are flipped or none.

    MMPretrain's transform of this kind resizes without smoothing, which aliases at half the size;
    the papers' code and this one resize with Pillow.

    Required and changed key: ``img``, then a list of both views, (H, W, C) each; changed key:
    ``img_shape``, the encoder's.

    Args:
        scale: Side of the encoder's view, in pixels.
        second_scale: Side of the tokenizer's view, in pixels.
        crop_ratio_range: Area of the crop as a fraction of the image's.
        aspect_ratio_range: Width over height of the crop, drawn log-uniformly.
        interpolation: Of the encoder's view, a name of torchvision's ``InterpolationMode``.
        second_interpolation: Of the tokenizer's view.

    Raises:
        ValueError: If a size is not positive, a range is empty, or an interpolation is unknown.
    """

    def __init__(
        self,
        scale: int = 224,
        second_scale: int = 112,
        crop_ratio_range: tuple[float, float] = (0.08, 1.0),
        aspect_ratio_range: tuple[float, float] = (3 / 4, 4 / 3),
        interpolation: str = 'bicubic',
        second_interpolation: str = 'lanczos',
    ) -> None:
        for name, size in (('scale', scale), ('second_scale', second_scale)):
            if size < 1:
                raise ValueError(f'{name}={size}: must be a positive number of pixels')
        for name, (low, high) in (
            ('crop_ratio_range', crop_ratio_range),
            ('aspect_ratio_range', aspect_ratio_range),
        ):
            if not 0 < low <= high:
                raise ValueError(f'{name}={(low, high)}: must be (low, high) with 0 < low <= high')
        modes = [mode.value for mode in InterpolationMode]
        for name, mode in (
            ('interpolation', interpolation),
            ('second_interpolation', second_interpolation),
        ):
            if mode not in modes:
                raise ValueError(f'{name}={mode!r}: must be one of {modes}')
        self.scale, self.second_scale = scale, second_scale
        self.crop_ratio_range = tuple(crop_ratio_range)
        self.aspect_ratio_range = tuple(aspect_ratio_range)
        self.interpolation = InterpolationMode(interpolation)
        self.second_interpolation = InterpolationMode(second_interpolation)

    def transform(self, results: dict) -> dict:
        """Crop and resize ``results['img']``, (H, W, C), uint8."""
        image = Image.fromarray(results['img'])
        crop = RandomResizedCrop.get_params(image, self.crop_ratio_range, self.aspect_ratio_range)
        views = (self.scale, self.interpolation), (self.second_scale, self.second_interpolation)
        results['img'] = [
            np.array(resized_crop(image, *crop, [side, side], mode)) for side, mode in views
        ]
        results['img_shape'] = (self.scale, self.scale)
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(scale={self.scale}, second_scale={self.second_scale}, '
            f'crop_ratio_range={self.crop_ratio_range}, '
            f'aspect_ratio_range={self.aspect_ratio_range}, '
            f'interpolation={self.interpolation.value!r}, '
            f'second_interpolation={self.second_interpolation.value!r})'
        )
