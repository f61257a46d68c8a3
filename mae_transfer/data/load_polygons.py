"""Loads the outlines of a COCO file as polygons, not as bitmaps."""

import numpy as np
from mmdet.datasets.transforms import LoadAnnotations
from mmdet.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadPolygonAnnotations(LoadAnnotations):
    """Load boxes and masks; masks stay polygons, so that a resize or a crop loses nothing of them.

    As in Detectron2, where a mask becomes pixels only as a target of the mask head. When a picture
    is shrunk to a tenth, a bitmap loses much of a small object.

    If any object of a picture is given as RLE, which has no polygon, all objects of that picture
    get bitmaps. Crowds are an exception: their masks are not trained on, so a crowd given as RLE
    gets its box as its outline. (MMDetection's loader with ``poly2mask=False`` ignores every object
    that is given as RLE.) Later steps take polygons and bitmaps, also in one batch.

    As in MMDetection, an outline of fewer than three points or of an odd number of coordinates is
    left out, and an object without a valid outline is not trained on.

    Changed keys: those of MMDetection's ``LoadAnnotations``.

    Args:
        **kwargs: Of MMDetection's ``LoadAnnotations``, without ``poly2mask``.
    """

    def __init__(self, **kwargs: object) -> None:
        super().__init__(poly2mask=False, **kwargs)

    def _load_masks(self, results: dict) -> None:
        """Load polygons, or bitmaps where an object needs one."""
        objects = results.get('instances', [])
        self.poly2mask = any(
            isinstance(one['mask'], dict) and not one['ignore_flag'] for one in objects
        )
        if not self.poly2mask:
            for one in objects:
                if isinstance(one['mask'], dict):
                    left, top, right, bottom = one['bbox']
                    one['mask'] = [[left, top, right, top, right, bottom, left, bottom]]
        super()._load_masks(results)

    def _process_masks(self, results: dict) -> list:
        """Convert polygons to float: an array of integers would round when it is resized."""
        return [
            [np.asarray(polygon, dtype=np.float64) for polygon in mask]
            if isinstance(mask, list)
            else mask
            for mask in super()._process_masks(results)
        ]
