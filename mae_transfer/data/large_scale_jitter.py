"""Resize and crop of large-scale jitter as Detectron2 draws them.

After Ghiasi et al. 2021 (https://arxiv.org/abs/2012.07177); ViTDet's ``coco_loader_lsj``.
"""

import numpy as np
from mmcv.transforms import RandomResize
from mmcv.transforms.utils import cache_randomness
from mmdet.datasets.transforms import RandomCrop
from mmdet.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomScaleResize(RandomResize):
    """Resize a picture to fit into a square of random side; sides are rounded once, at the end.

    As Detectron2's ``ResizeScale``. MMCV's ``RandomResize`` first rounds the side of the square
    down to whole pixels.

    Required and changed keys: those of MMDetection's ``Resize``.

    Args:
        scale: (width, height) in pixels that the picture fits into at a ratio of 1.
        ratio_range: Smallest and largest ratio, drawn uniformly.
        **kwargs: Of MMDetection's ``Resize``, such as ``backend``.
    """

    def __init__(
        self, scale: tuple[int, int], ratio_range: tuple[float, float], **kwargs: object
    ) -> None:
        super().__init__(scale, ratio_range, **kwargs)

    @cache_randomness
    def _random_ratio(self) -> float:
        return np.random.uniform(*self.ratio_range)

    def transform(self, results: dict) -> dict:
        """Resize picture, boxes and masks by one random factor."""
        size = np.array(results['img'].shape[1::-1])  # (width, height)
        factor = (np.multiply(self.scale, self._random_ratio()) / size).min()
        # A side of less than half a pixel stays one pixel.
        width, height = np.maximum(np.round(size * factor), 1).astype(int).tolist()
        self.resize.scale = (width, height)
        return self.resize(results)


@TRANSFORMS.register_module()
class RandomDiagonalCrop(RandomCrop):
    """Crop whose row and column come from one random number, so its places are on a diagonal.

    As Detectron2's ``FixedSizeCrop``: at 0 the crop is in the upper left corner of the picture, at
    1 in the lower right one. MMDetection's ``RandomCrop`` draws rows and columns separately.

    Args: see MMDetection's ``RandomCrop``.
    """

    @cache_randomness
    def _rand_offset(self, margin: tuple[int, int]) -> tuple[int, int]:
        """Draw the place of the crop.

        Args:
            margin: Rows and columns by which the picture exceeds the crop, in pixels.

        Returns:
            First row and first column of the crop.
        """
        row, column = np.round(np.multiply(margin, np.random.uniform())).astype(int).tolist()
        return row, column
