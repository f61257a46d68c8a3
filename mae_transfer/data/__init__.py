"""From images to batches: data sets, transforms and the data block of a config.

Importing the room registers its data sets and transforms. Those of ``large_scale_jitter`` and
``load_polygons`` need MMDetection and are imported by the configs that use them.
"""

from mae_transfer.data import label_map, random_clipped_crop, small_images, two_size_crop

__all__ = ['label_map', 'random_clipped_crop', 'small_images', 'two_size_crop']
