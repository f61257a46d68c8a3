"""COCO: loaders and pipelines of detection."""

from tests.configs_suite.leaves.training import loader
from tests.configs_suite.leaves.tree import Tree

# Values that belong together share a line.
# fmt: off

LOAD, PACK = dict(type='LoadImageFromFile'), dict(type='PackDetInputs')
ANNOTATIONS = dict(type='LoadAnnotations', with_bbox=True, with_mask=True)
POLYGONS = dict(ANNOTATIONS, type='LoadPolygonAnnotations')
FLIP = dict(type='RandomFlip', prob=0.5)
META_KEYS = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')

# Detectron2's coco_loader_lsj.py: the longer side is 1024 times .1 to 2, and at most 1024 is kept,
# at a place that one number draws, whether an object is there or not.
LARGE_SCALE_JITTER = [
    LOAD, POLYGONS, FLIP,
    dict(
        type='RandomScaleResize', scale=(1024, 1024), ratio_range=(0.1, 2.0), backend='pillow',
    ),
    dict(
        type='RandomDiagonalCrop', crop_type='absolute', crop_size=(1024, 1024),
        recompute_bbox=True, allow_negative_crop=True,
    ),
    dict(type='FilterAnnotations', min_gt_bbox_wh=(1e-5, 1e-5), keep_empty=False),
    PACK,
]


def one_of(short_sides: tuple[int, ...]) -> Tree:
    """A shorter side of these, unless the longer one would exceed 1333."""
    scales = [(side, 1333) for side in short_sides]
    return dict(type='RandomChoiceResize', scales=scales, keep_ratio=True)


# CAE's detection, from DETR's: half of the pictures are cropped between two resizings.
SIDES = (480, 512, 544, 576, 608, 640, 672, 704, 736, 768, 800)
CROP = dict(
    type='RandomCrop', crop_type='absolute_range', crop_size=(384, 600), allow_negative_crop=True,
)
MULTI_SCALE = [
    LOAD, ANNOTATIONS, FLIP,
    dict(
        type='RandomChoice',
        transforms=[[one_of(SIDES)], [one_of((400, 500, 600)), CROP, one_of(SIDES)]],
    ),
    PACK,
]


def evaluated(scale: tuple[int, int], **more: object) -> list[Tree]:
    """The pipeline of an evaluation: the whole picture within ``scale``."""
    resize = dict(type='Resize', scale=scale, keep_ratio=True, **more)
    return [LOAD, resize, ANNOTATIONS, dict(PACK, meta_keys=META_KEYS)]


def training(batch: int, pipeline: list, smallest: Tree, **more: object) -> Tree:
    """Loader of train2017 without the pictures that have no object."""
    dataset = dict(
        type='CocoDataset', data_root='data/coco',
        ann_file='annotations/instances_train2017.json', data_prefix=dict(img='train2017/'),
        filter_cfg=dict(filter_empty_gt=True, **smallest),
    )
    return loader(batch, 4, dataset, pipeline, train=True, persistent_workers=True, **more)


def validation(pipeline: list) -> Tree:
    """Loader of val2017."""
    dataset = dict(
        type='CocoDataset', data_root='data/coco', ann_file='annotations/instances_val2017.json',
        data_prefix=dict(img='val2017/'), test_mode=True,
    )
    return loader(1, 4, dataset, pipeline, train=False, persistent_workers=True)


METRIC = dict(
    type='FasterCocoMetric', ann_file='data/coco/annotations/instances_val2017.json',
    metric=['bbox', 'segm'],
)
