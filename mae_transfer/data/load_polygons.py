"""Loads the outlines of a COCO file as polygons, not as bitmaps."""

import numpy as np
from mmdet.datasets.transforms import LoadAnnotations
from mmdet.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadPolygonAnnotations(LoadAnnotations):
    """Load boxes and masks; masks stay polygons, so that a resize or a crop loses nothing of them.

    As in Detectron2, where a mask becomes pixels only as a target of the mask head. A bitmap of a
    picture that is shrunk to a tenth has lost much of a small object before.

    A picture in which an object is given as RLE, for which there is no polygon, has bitmaps for all
    of its objects. Crowds do not count: their masks are not trained on, so a crowd given as RLE has
    its box as its outline. (MMDetection's loader with ``poly2mask=False`` leaves out every object
    that is given as RLE.) What comes after takes both kinds, also in one batch.

    As in MMDetection, an outline of fewer than three points or of an odd number of coordinates is
    left out, and an object without any other is not trained on.

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
        """Make the numbers of polygons floats: a file of whole numbers would stay whole."""
        return [
            [np.asarray(polygon, dtype=np.float64) for polygon in mask]
            if isinstance(mask, list)
            else mask
            for mask in super()._process_masks(results)
        ]
