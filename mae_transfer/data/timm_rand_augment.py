"""timm's RandAugment in a pipeline of OpenMMLab.

MMPretrain's operations of the same names use OpenCV, whose affine operations and sharpening differ
by up to 79 of 255 from Pillow's, with which MAE and CAE were fine-tuned.
"""

import re

import numpy as np
from mmcv.transforms import BaseTransform
from PIL import Image
from timm.data.auto_augment import posterize, rand_augment_transform

from mae_transfer.registry import TRANSFORMS

SECTION = re.compile(r'(m|n|mmax)\d+|(mstd|p)\d+(\.\d+)?|inc[01]|t(weights|3aw?)')
INTERPOLATIONS = ('nearest', 'bilinear', 'bicubic')  # of Pillow's affine operations


@TRANSFORMS.register_module()
class TimmRandAugment(BaseTransform):
    """Let timm's ``rand_augment_transform`` change a picture (Cubuk et al. 2019, arXiv 1909.13719).

    It draws from ``random`` and ``np.random``, both of which MMEngine seeds in each worker.
    Translations are relative to the sides of the picture, so nothing depends on the crop size.

    Required and changed key: ``img``.

    Args:
        config_str: timm's name of the augmentation, 'rand' and sections separated by '-':
            'rand-m9-mstd0.5-inc1' draws two operations (n2 by default), applies each with a
            probability of .5 (p0.5) at a magnitude of 9 of 10 with a standard deviation of .5, and
            uses the set of operations whose effect increases with the magnitude.
        fill_rgb: Color of the corners that affine operations leave empty: red, green, blue; 0 to
            255.
        interpolation: Of affine operations: 'nearest', 'bilinear' or 'bicubic'.

    Raises:
        ValueError: If a section of ``config_str`` is unknown, or another argument is invalid.
    """

    def __init__(
        self,
        config_str: str,
        fill_rgb: tuple[int, int, int] = (124, 116, 104),
        interpolation: str = 'bicubic',
    ) -> None:
        name, *sections = config_str.split('-')
        # timm ignores sections that it cannot split, and fails with an assertion on unknown ones
        wrong = [section for section in sections if not SECTION.fullmatch(section)]
        if name != 'rand' or wrong:
            raise ValueError(
                f'config_str={config_str!r}: {(wrong or [name])[0]!r} is unknown; it must be '
                "'rand', then any of mN, nN, pX, mstdX, mmaxN, inc0 or inc1, tweights, t3a and "
                "t3aw (N an integer, X a number), as in 'rand-m9-mstd0.5-inc1'"
            )
        if len(fill_rgb) != 3 or not all(0 <= value <= 255 for value in fill_rgb):
            raise ValueError(f'fill_rgb={fill_rgb}: must be three numbers from 0 to 255')
        if interpolation not in INTERPOLATIONS:
            raise ValueError(f'interpolation={interpolation!r}: must be one of {INTERPOLATIONS}')
        self.config_str = config_str
        self.fill_rgb = (fill_rgb[0], fill_rgb[1], fill_rgb[2])
        self.interpolation = interpolation
        self.augment = rand_augment_transform(
            config_str,
            dict(img_mean=self.fill_rgb, interpolation=Image.Resampling[interpolation.upper()]),
        )
        for op in self.augment.ops:
            if op.aug_fn is posterize:
                op.aug_fn = _posterize

    def transform(self, results: dict) -> dict:
        """Change ``results['img']``, (H, W, 3), uint8: blue, green, red.

        Raises:
            ValueError: If the picture has another type or number of channels.
        """
        img = results['img']
        if img.dtype != np.uint8 or img.ndim != 3 or img.shape[2] != 3:
            raise ValueError(
                f'img is {img.shape} of {img.dtype}: TimmRandAugment takes (H, W, 3) of uint8'
            )
        changed = self.augment(Image.fromarray(np.ascontiguousarray(img[..., ::-1])))
        results['img'] = np.ascontiguousarray(np.asarray(changed)[..., ::-1])
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(config_str={self.config_str!r}, fill_rgb={self.fill_rgb}, '
            f'interpolation={self.interpolation!r})'
        )


def _posterize(img: Image.Image, bits_to_keep: int, **options: object) -> Image.Image:
    """Keep some bits of each value, as timm does; its greatest magnitude keeps none.

    Pillow up to 12 then returns a black picture. Pillow 13 raises, which would end a training run:
    'm9-mstd0.5' reaches that magnitude in one of 44 draws of this operation.
    """
    if bits_to_keep == 0:
        return Image.new(img.mode, img.size)
    return posterize(img, bits_to_keep, **options)
