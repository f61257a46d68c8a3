"""ImageNet-1K: what its loaders and pipelines are made of, for pre-training and classification."""

from tests.configs_suite.leaves.training import COLLATE, loader
from tests.configs_suite.leaves.tree import Tree

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # of RGB
NORMALIZE = dict(mean=MEAN, std=STD, to_rgb=True)

LOAD, PACK = dict(type='LoadImageFromFile'), dict(type='PackInputs')
FLIP = dict(type='RandomFlip', prob=0.5)


def random_size_crop(smallest: float, size: int = 224, how: str = 'bicubic') -> Tree:
    """A crop of ``smallest`` to all of the picture's area."""
    return dict(
        type='RandomResizedCrop',
        scale=size,
        crop_ratio_range=(smallest, 1.0),
        backend='pillow',
        interpolation=how,
    )


def short_edge(size: int, how: str = 'bicubic') -> Tree:
    """The shorter side resized to ``size``."""
    return dict(type='ResizeEdge', scale=size, edge='short', backend='pillow', interpolation=how)


# timm's, which fills with the mean color.
RAND_AUGMENT = dict(
    type='TimmRandAugment',
    config_str='rand-m9-mstd0.5-inc1',
    fill_rgb=[124, 116, 104],
    interpolation='bicubic',
)
# timm's RandomErasing(.25, mode='pixel'), which sees normalized pixels: here it comes before.
ERASE = dict(
    type='RandomErasing',
    erase_prob=0.25,
    mode='rand',
    min_area_ratio=0.02,
    max_area_ratio=1 / 3,
    fill_color=MEAN[::-1],
    fill_std=STD[::-1],
)
FINE_TUNING = [LOAD, random_size_crop(0.08), FLIP, RAND_AUGMENT, ERASE, PACK]
PROBING = [LOAD, random_size_crop(0.08), FLIP, PACK]
# MAE's util/crop.py draws once, where torchvision tries ten times.
CLIPPED = dict(random_size_crop(0.08), type='RandomClippedCrop')
LINEAR_PROBING = [LOAD, CLIPPED, FLIP, PACK]


def center_crop(edge: int, size: int, how: str = 'bicubic') -> list[Tree]:
    """The pipeline of an evaluation."""
    return [LOAD, short_edge(edge, how), dict(type='CenterCrop', crop_size=size), PACK]


def images(
    split: str, batch: int, workers: int, pipeline: list[Tree], endless: bool = False
) -> Tree:
    """Loader of a split; of training data it shuffles and drops the last, smaller batch."""
    dataset = dict(type='ImageNet', data_root='data/imagenet', split=split)
    train = split == 'train'
    more = dict(COLLATE, drop_last=True) if train else COLLATE
    return loader(
        batch, workers, dataset, pipeline, train, endless, persistent_workers=True, **more
    )
