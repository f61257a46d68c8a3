"""From images to batches: data sets, transforms and the data block of a config.

Importing the room registers its data sets and transforms, except those that subclass a framework's:
configs that use ``flipped_mixing`` (MMPretrain), ``large_scale_jitter`` or ``load_polygons``
(MMDetection) list them in ``custom_imports``.
"""

from mae_transfer.data import (
    label_map,
    random_clipped_crop,
    small_images,
    timm_rand_augment,
    two_size_crop,
)

__all__ = [
    'label_map',
    'random_clipped_crop',
    'small_images',
    'timm_rand_augment',
    'two_size_crop',
]
