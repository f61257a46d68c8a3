"""Image -> batch: the first step of both journeys.

Importing the room registers its data sets and transforms. ``scenes``, which makes the embedded demo
data, stays apart (``python -m mae_transfer.data.scenes``), so that nobody else pays for its
imports.
"""

from mae_transfer.data import label_map, random_clipped_crop, small_images, two_size_crop

__all__ = ['label_map', 'random_clipped_crop', 'small_images', 'two_size_crop']
