"""COCO with boxes and masks, and large-scale jitter at 1024 pixels (ViTDet: Li et al. 2022, A.2).

As in Detectron2: flip, resize by .1 to 2, crop; masks are polygons until the mask head needs
pixels; one random number places the crop. A picture smaller than the crop keeps its size, and the
model pads it. A crop without objects is trained on. Pillow resizes, with antialiasing when it
shrinks.

For MMDetection's behavior, use LoadAnnotations (bitmaps) in place of LoadPolygonAnnotations,
RandomResize with keep_ratio=True in place of RandomScaleResize, RandomCrop (separate random numbers
for row and column) in place of RandomDiagonalCrop, and FilterAnnotations without keep_empty=False,
which replaces a crop without objects by another picture.

detect_iters_runtime.py imports the transforms that are not MMDetection's.

Your own data: --cfg-options data.root=FOLDER data.train_img=... data.train_ann=... data.val_img=...
data.val_ann=...; classes are read from the json.
"""

_base_ = './coco.py'

image_size = (1024, 1024)  # (width, height), pixels

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadPolygonAnnotations', with_bbox=True, with_mask=True),
    dict(type='RandomFlip', prob=0.5),
    dict(
        type='RandomScaleResize',
        scale=image_size,
        ratio_range=(0.1, 2.0),
        backend='pillow',
    ),
    dict(
        type='RandomDiagonalCrop',
        crop_type='absolute',
        crop_size=image_size,
        recompute_bbox=True,  # boxes follow the cropped masks
        allow_negative_crop=True,
    ),
    # Objects outside the crop have boxes of size 0. With keep_empty=True, MMDetection would replace
    # a crop without objects by another picture.
    dict(type='FilterAnnotations', min_gt_bbox_wh=(1e-5, 1e-5), keep_empty=False),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=image_size, keep_ratio=True, backend='pillow'),
    dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
    ),
]

train_dataloader = dict(
    batch_size=4,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(filter_cfg=dict(filter_empty_gt=True), pipeline=train_pipeline),
)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
