"""Detection: ViTDet and its code in Detectron2, the benchmark of Li et al. 2021, CAE."""

from tests.configs_suite.curves import fvcore_cosine, fvcore_steps, mmcv_steps
from tests.configs_suite.recipe import Curve, Recipe

ROOM = 'detection/'
DETECT = ROOM + 'mask-rcnn_vit-base-p16_mae-pre_simple-fpn_16xb4-amp-lsj-100e_coco.py'
LARGE = ROOM + 'mask-rcnn_vit-large-p16_mae-pre_simple-fpn_32xb2-amp-lsj-100e_coco.py'
HUGE = ROOM + 'mask-rcnn_vit-huge-p16_mae-pre_simple-fpn_64xb1-amp-lsj-75e_coco.py'
RPN_LN = ROOM + 'mask-rcnn_vit-base-p16_mae-pre_simple-fpn_rpn-ln_16xb4-amp-lsj-100e_coco.py'
LABELS_B = ROOM + 'mask-rcnn_vit-base-p16_deit-pre_simple-fpn_16xb4-amp-lsj-50e_coco.py'
LABELS_L = ROOM + 'mask-rcnn_vit-large-p16_deit-pre_simple-fpn_32xb2-amp-lsj-50e_coco.py'
RANDOM_B = ROOM + 'mask-rcnn_vit-base-p16_simple-fpn_16xb4-amp-lsj-300e_coco.py'
RANDOM_L = ROOM + 'mask-rcnn_vit-large-p16_simple-fpn_32xb2-amp-lsj-200e_coco.py'
CASCADE = ROOM + 'cascade-mask-rcnn_vit-base-p16_mae-pre_simple-fpn_16xb4-amp-lsj-100e_coco.py'
CASCADE_L = ROOM + 'cascade-mask-rcnn_vit-large-p16_mae-pre_simple-fpn_32xb2-amp-lsj-100e_coco.py'
CASCADE_H = ROOM + 'cascade-mask-rcnn_vit-huge-p16_mae-pre_simple-fpn_64xb1-amp-lsj-75e_coco.py'

FPN = ROOM + 'mask-rcnn_vit-base-p16_mae-pre_fpn_16xb4-amp-lsj-coslr-100e_coco.py'
FPN_25 = ROOM + 'mask-rcnn_vit-base-p16_mae-pre_fpn_16xb4-amp-lsj-coslr-25e_coco.py'
FPN_50 = ROOM + 'mask-rcnn_vit-base-p16_mae-pre_fpn_16xb4-amp-lsj-coslr-50e_coco.py'
FPN_L = ROOM + 'mask-rcnn_vit-large-p16_mae-pre_fpn_32xb2-amp-lsj-coslr-100e_coco.py'
FPN_MOCO = ROOM + 'mask-rcnn_vit-base-p16_mocov3-pre_fpn_16xb4-amp-lsj-coslr-100e_coco.py'
FPN_MOCO_L = ROOM + 'mask-rcnn_vit-large-p16_mocov3-pre_fpn_32xb2-amp-lsj-coslr-100e_coco.py'
FPN_BEIT = ROOM + 'mask-rcnn_vit-base-p16_beit-pre_fpn_16xb4-amp-lsj-coslr-100e_coco.py'
FPN_BEIT_L = ROOM + 'mask-rcnn_vit-large-p16_beit-pre_fpn_32xb2-amp-lsj-coslr-100e_coco.py'
FPN_RANDOM = ROOM + 'mask-rcnn_vit-base-p16_fpn_16xb4-amp-lsj-coslr-400e_coco.py'
FPN_RANDOM_L = ROOM + 'mask-rcnn_vit-large-p16_fpn_32xb2-amp-lsj-coslr-400e_coco.py'

CAE = ROOM + 'mask-rcnn_vit-base-p16_cae-pre_fpn_16xb2-amp-ms-12e_coco.py'
CAE_S = ROOM + 'mask-rcnn_vit-small-p16_cae-pre_fpn_16xb2-amp-ms-12e_coco.py'
CAE_L = ROOM + 'mask-rcnn_vit-large-p16_cae-pre_fpn_16xb2-amp-ms-12e_coco.py'
CAE_CASCADE = ROOM + 'cascade-mask-rcnn_vit-base-p16_cae-pre_fpn_16xb2-amp-ms-12e_coco.py'
CAE_CASCADE_L = ROOM + 'cascade-mask-rcnn_vit-large-p16_cae-pre_fpn_16xb2-amp-ms-12e_coco.py'
MAE_1X = ROOM + 'mask-rcnn_vit-base-p16_mae-pre_fpn_16xb2-amp-ms-12e_coco.py'
MAE_1X_L = ROOM + 'mask-rcnn_vit-large-p16_mae-pre_fpn_16xb2-amp-ms-12e_coco.py'


def vitdet(
    lr: float,
    weight_decay: float,
    drop_path: float,
    layer_decay: float = 1.0,
    no_decay: tuple[str, ...] = ('norm', 'pos_embed'),
    milestones: tuple[int, int] = (163889, 177546),
    length: int = 184375,
    warm: float = 250,
) -> Recipe:
    """One row of ViTDet's Table 11; lengths in iterations of 64 images."""
    return Recipe(
        batch=64,
        lr=lr,
        weight_decay=weight_decay,
        curve=Curve(fvcore_steps(warm, milestones), length),
        layer_decay=layer_decay,
        drop_path=drop_path,
        no_decay=no_decay,
    )


def benchmark(
    lr: float, weight_decay: float, drop_path: float, length: int = 184375, epochs: int = 100
) -> Recipe:
    """Li et al. 2021: a quarter of an epoch of warm-up, half a cosine to 0, no layer decay."""
    return Recipe(
        batch=64,
        lr=lr,
        weight_decay=weight_decay,
        curve=Curve(fvcore_cosine(0.25 / epochs * length, length), length),
        drop_path=drop_path,
        no_decay=('norm', 'pos_embed', 'relative_position_bias_table'),
    )


def cae(lr: float, layer_decay: float, drop_path: float) -> Recipe:
    """CAE's 1x schedule: in epochs, here of 700 iterations, of which 500 are the warm-up."""
    return Recipe(
        batch=32,
        lr=lr,
        weight_decay=0.05,
        curve=Curve(mmcv_steps(500, (9 * 700, 11 * 700)), 12 * 700, epoch=700),
        layer_decay=layer_decay,
        drop_path=drop_path,
        no_decay=('1d', 'bias', 'pos_embed', 'cls_token'),
    )


# Detectron2's H keeps the warm-up of B as a share of the run, 250 / 184375: 187.4997 iterations.
THREE_QUARTERS = dict(milestones=(122916, 133159), length=138281, warm=250 / 184375 * 138281)
RECIPES = {
    DETECT: vitdet(1e-4, 0.1, 0.1, 0.7),
    RPN_LN: vitdet(1e-4, 0.1, 0.1, 0.7),
    LARGE: vitdet(1e-4, 0.1, 0.4, 0.8),
    HUGE: vitdet(1e-4, 0.1, 0.5, 0.9, (), **THREE_QUARTERS),
    CASCADE: vitdet(1e-4, 0.1, 0.1, 0.7),
    CASCADE_L: vitdet(1e-4, 0.1, 0.4, 0.8),
    CASCADE_H: vitdet(1e-4, 0.1, 0.5, 0.9, (), **THREE_QUARTERS),
    LABELS_B: vitdet(8e-5, 0.1, 0.1, milestones=(81944, 88773), length=92187),
    LABELS_L: vitdet(8e-5, 0.1, 0.4, milestones=(81944, 88773), length=92187),
    RANDOM_B: vitdet(1.6e-4, 0.2, 0.1, milestones=(491667, 532638), length=553125),
    RANDOM_L: vitdet(1.6e-4, 0.2, 0.4, milestones=(327778, 355092), length=368750),
    FPN: benchmark(8e-5, 0.1, 0.1),
    FPN_25: benchmark(8e-5, 0.1, 0.1, length=46093, epochs=25),
    FPN_50: benchmark(8e-5, 0.1, 0.1, length=92187, epochs=50),
    FPN_L: benchmark(8e-5, 0.1, 0.3),
    FPN_MOCO: benchmark(1.6e-4, 0.1, 0.1),
    FPN_MOCO_L: benchmark(1.6e-4, 0.1, 0.3),
    FPN_BEIT: benchmark(8e-5, 0.1, 0.1),
    FPN_BEIT_L: benchmark(8e-5, 0.1, 0.3),
    FPN_RANDOM: benchmark(1.6e-4, 0.2, 0.1, length=737500, epochs=400),
    FPN_RANDOM_L: benchmark(1.6e-4, 0.2, 0.3, length=737500, epochs=400),
    CAE_S: cae(3e-4, 0.75, 0.1),
    CAE: cae(3e-4, 0.75, 0.2),
    CAE_L: cae(2e-4, 0.85, 0.2),
    CAE_CASCADE: cae(3e-4, 0.75, 0.2),
    CAE_CASCADE_L: cae(2e-4, 0.85, 0.2),
    MAE_1X: cae(3e-4, 0.75, 0.2),
    MAE_1X_L: cae(2e-4, 0.85, 0.2),
}

LARGE_BLOCKS = {
    'model.backbone.arch': 'large',
    'model.backbone.global_blocks': (5, 11, 17, 23),
}
HUGE_BLOCKS = {
    'model.backbone.arch': 'huge',
    'model.backbone.global_blocks': (7, 15, 23, 31),
    'model.neck.in_channels': 1280,
    'train_cfg.max_iters': 138281,
    'param_scheduler.1.milestones': [122916, 133159],
}
CASCADE_HEADS = {
    'model.type': 'CascadeRCNN',
    'model.roi_head.num_stages': 3,
    **{f'model.train_cfg.rcnn.{i}.assigner.pos_iou_thr': 0.5 + i / 10 for i in range(3)},
    **{f'model.roi_head.bbox_head.{i}.type': 'Shared4Conv1FCBBoxHead' for i in range(3)},
}


def drawn_boxes(*stages: tuple[int, float]) -> dict:
    """Number and largest share of positives of each stage of a cascade."""
    return {
        f'model.train_cfg.rcnn.{i}.sampler.{name}': value
        for i, stage in enumerate(stages)
        for name, value in zip(('num', 'pos_fraction'), stage, strict=True)
    }


BEST_ANCHORS = dict(type='BestAnchorAssigner', pos_iou_thr=0.7, neg_iou_thr=0.3)
JITTER = {
    'train_pipeline.LoadPolygonAnnotations.with_mask': True,
    'train_pipeline.RandomScaleResize.scale': (1024, 1024),
    'train_pipeline.RandomScaleResize.ratio_range': (0.1, 2.0),
    'train_pipeline.RandomScaleResize.backend': 'pillow',
    'train_pipeline.RandomDiagonalCrop.crop_size': (1024, 1024),
    'train_pipeline.RandomDiagonalCrop.crop_type': 'absolute',
    'train_pipeline.RandomDiagonalCrop.recompute_bbox': True,
    'train_pipeline.RandomDiagonalCrop.allow_negative_crop': True,
    'train_pipeline.FilterAnnotations.min_gt_bbox_wh': (1e-5, 1e-5),
    'train_pipeline.FilterAnnotations.keep_empty': False,
}
CAE_PROPOSALS = {
    'model.train_cfg.rpn.assigner.type': 'MaxIoUAssigner',
    'model.train_cfg.rpn.assigner.min_pos_iou': 0.3,
    'model.train_cfg.rpn_proposal.nms_pre': 2000,
    'model.train_cfg.rpn_proposal.max_per_img': 2000,
    'model.test_cfg.rpn.nms_pre': 1000,
    'model.test_cfg.rpn.max_per_img': 1000,
}
CAE_HEADS = {
    'norm_cfg.type': 'SyncBN',
    'reg_class_agnostic': False,
    'reg_decoded_bbox': True,
    'loss_bbox': dict(type='GIoULoss', loss_weight=10.0),
}
SCALES = [(short, 1333) for short in (480, 512, 544, 576, 608, 640, 672, 704, 736, 768, 800)]
CAE_LARGE = {
    'model.backbone.arch': 'large',
    'model.backbone.out_indices': (7, 11, 15, 23),
    'model.neck.0.embed_dims': 1024,
    'model.neck.1.in_channels': [1024] * 4,
}

FACTS = {
    DETECT: {
        'train_cfg.max_iters': 184375,
        'model.backbone.img_size': 1024,
        'model.backbone.pretrain_img_size': 224,
        'model.backbone.window_size': 14,
        'model.backbone.global_blocks': (2, 5, 8, 11),
        'model.backbone.rel_pos': True,
        'model.backbone.with_cls_token': False,
        'model.backbone.final_norm': False,
        'model.neck.in_channels': 768,
        'model.neck.out_channels': 256,
        'model.neck.num_outs': 5,
        'model.neck.norm_cfg': dict(type='ChannelLN', eps=1e-6),
        'model.data_preprocessor.mean': [123.675, 116.28, 103.53],
        'model.data_preprocessor.std': [58.395, 57.12, 57.375],
        'model.data_preprocessor.bgr_to_rgb': True,
        'model.data_preprocessor.pad_size_divisor': 1024,
        'model.data_preprocessor.pad_value': 0,
        'model.rpn_head.type': 'RPNHead',  # without norm, as released
        'model.rpn_head.num_convs': 2,
        'model.rpn_head.anchor_generator.strides': [4, 8, 16, 32, 64],
        'model.rpn_head.anchor_generator.scales': [8],
        'model.rpn_head.loss_bbox.type': 'L1Loss',
        'model.roi_head.bbox_head.type': 'Shared4Conv1FCBBoxHead',
        'model.roi_head.bbox_head.conv_out_channels': 256,
        'model.roi_head.bbox_head.fc_out_channels': 1024,
        'model.roi_head.bbox_head.norm_cfg': dict(type='ChannelLN', eps=1e-6),
        'model.roi_head.bbox_head.reg_class_agnostic': False,
        'model.roi_head.bbox_head.loss_bbox.type': 'L1Loss',
        'model.roi_head.mask_head.type': 'SmallLogitsMaskHead',
        'model.roi_head.mask_head.num_convs': 4,
        'model.roi_head.mask_head.norm_cfg': dict(type='ChannelLN', eps=1e-6),
        'model.train_cfg.rpn.assigner': BEST_ANCHORS,
        'model.train_cfg.rpn.sampler.num': 256,
        'model.train_cfg.rpn_proposal.nms_pre': 2000,
        'model.train_cfg.rpn_proposal.max_per_img': 1000,
        'model.train_cfg.rpn_proposal.nms.iou_threshold': 0.7,
        'model.train_cfg.rcnn.sampler.num': 512,
        'model.train_cfg.rcnn.sampler.pos_fraction': 0.25,
        'model.train_cfg.rcnn.assigner.match_low_quality': False,
        'model.test_cfg.rpn.nms_pre': 1000,
        'model.test_cfg.rpn.max_per_img': 1000,
        'model.test_cfg.rpn.nms.iou_threshold': 0.7,
        'model.test_cfg.rcnn.score_thr': 0.05,
        'model.test_cfg.rcnn.nms.iou_threshold': 0.5,
        'model.test_cfg.rcnn.max_per_img': 100,
        **JITTER,
        'test_pipeline.Resize.scale': (1024, 1024),
        'test_pipeline.Resize.keep_ratio': True,
        'val_evaluator.type': 'FasterCocoMetric',
        'val_evaluator.metric': ['bbox', 'segm'],
    },
    RPN_LN: {
        'model.rpn_head.type': 'RPNHeadWithNorm',
        'model.rpn_head.num_convs': 2,
        'model.rpn_head.norm_cfg': dict(type='ChannelLN', eps=1e-6),
    },
    LARGE: {**LARGE_BLOCKS, 'model.neck.in_channels': 1024},
    HUGE: {**HUGE_BLOCKS},
    LABELS_B: {'model.backbone.rel_pos': False, 'train_cfg.max_iters': 92187},
    LABELS_L: {'model.backbone.rel_pos': False, **LARGE_BLOCKS},
    RANDOM_B: {'model.backbone.rel_pos': False, 'train_cfg.max_iters': 553125},
    RANDOM_L: {'model.backbone.rel_pos': False, 'train_cfg.max_iters': 368750, **LARGE_BLOCKS},
    CASCADE: {
        **CASCADE_HEADS,
        # Detectron2 draws for the first stage alone; the others never have 1024.
        **drawn_boxes((512, 0.25), (1024, 1.0), (1024, 1.0)),
        'model.backbone.rel_pos': True,
        'model.rpn_head.num_convs': 2,
        'model.train_cfg.rpn.assigner': BEST_ANCHORS,
        'model.train_cfg.rpn_proposal.max_per_img': 1000,
        'model.roi_head.mask_head.type': 'SmallLogitsMaskHead',
        'model.roi_head.bbox_head.0.bbox_coder.target_stds': [1 / 10, 1 / 10, 1 / 5, 1 / 5],
        'model.roi_head.bbox_head.1.bbox_coder.target_stds': [1 / 20, 1 / 20, 1 / 10, 1 / 10],
        'model.roi_head.bbox_head.2.bbox_coder.target_stds': [1 / 30, 1 / 30, 1 / 15, 1 / 15],
        'model.roi_head.bbox_head.2.reg_class_agnostic': True,
        'model.roi_head.bbox_head.2.norm_cfg': dict(type='ChannelLN', eps=1e-6),
        'model.roi_head.bbox_head.2.loss_bbox.type': 'L1Loss',
        'model.roi_head.mask_head.norm_cfg': dict(type='ChannelLN', eps=1e-6),
        'model.test_cfg.rcnn.score_thr': 0.05,
    },
    CASCADE_L: {**LARGE_BLOCKS, 'model.neck.in_channels': 1024},
    CASCADE_H: {**HUGE_BLOCKS},
    FPN: {
        'train_cfg.max_iters': 184375,
        'model.backbone.img_size': 1024,
        'model.backbone.pretrain_img_size': 224,
        'model.backbone.window_size': 14,
        'model.backbone.global_blocks': (2, 5, 8, 11),
        'model.backbone.out_indices': (2, 5, 8, 11),
        'model.backbone.rel_pos': 'shared_table',
        'model.backbone.with_cls_token': False,
        'model.backbone.final_norm': False,
        'model.neck.0.norm_cfg': dict(type='GN', num_groups=32),
        'model.neck.1.num_outs': 5,
        'model.neck.1.norm_cfg.type': 'SyncBN',
        'model.rpn_head.num_convs': 2,
        'model.roi_head.bbox_head.type': 'Shared4Conv1FCBBoxHead',
        'model.roi_head.bbox_head.norm_cfg.type': 'SyncBN',
        'model.roi_head.bbox_head.loss_bbox.type': 'L1Loss',
        'model.roi_head.mask_head.norm_cfg.type': 'SyncBN',
        'model.data_preprocessor.pad_size_divisor': 1024,
        'model.roi_head.mask_head.type': 'SmallLogitsMaskHead',
        'model.train_cfg.rpn.assigner': BEST_ANCHORS,
        **JITTER,
    },
    FPN_25: {'train_cfg.max_iters': 46093},
    FPN_L: {
        **LARGE_BLOCKS,
        'model.backbone.out_indices': (5, 11, 17, 23),
        'model.neck.0.embed_dims': 1024,
        'model.neck.0.norm_cfg': dict(type='GN', num_groups=32),
        'model.neck.1.in_channels': [1024] * 4,
        'model.neck.1.norm_cfg.type': 'SyncBN',
    },
    FPN_BEIT: {
        'model.backbone.pos_embed': None,
        'model.backbone.qkv_bias': 'no-key',
        'model.backbone.layer_scale_init': 0.1,
    },
    CAE: {
        'train_cfg.max_epochs': 12,
        'model.backbone.pos_embed': 'sincos_yx',
        'model.backbone.qkv_bias': 'no-key',
        'model.backbone.layer_scale_init': 0.1,
        'model.backbone.out_indices': (3, 5, 7, 11),
        'model.backbone.final_norm': False,
        'model.neck.0.norm_cfg.type': 'SyncBN',
        'model.neck.1': dict(type='FPN', in_channels=[768] * 4, out_channels=256, num_outs=5),
        'model.data_preprocessor.pad_size_divisor': 32,
        'model.roi_head.bbox_head.type': 'Shared4Conv1FCBBoxHead',
        **{f'model.roi_head.bbox_head.{key}': value for key, value in CAE_HEADS.items()},
        'model.roi_head.mask_head.type': 'FCNMaskHead',
        **CAE_PROPOSALS,
        'train_pipeline.LoadAnnotations.with_mask': True,
        'train_pipeline.RandomChoice.transforms.0.RandomChoiceResize.scales': SCALES,
        'train_pipeline.RandomChoice.transforms.1.0.scales': [(s, 1333) for s in (400, 500, 600)],
        'train_pipeline.RandomChoice.transforms.1.RandomCrop.crop_type': 'absolute_range',
        'train_pipeline.RandomChoice.transforms.1.RandomCrop.crop_size': (384, 600),
        'train_pipeline.RandomChoice.transforms.1.2.scales': SCALES,
        'test_pipeline.Resize.scale': (1333, 800),
        'val_evaluator.type': 'FasterCocoMetric',
    },
    CAE_S: {
        **CAE_PROPOSALS,
        'model.backbone.arch': dict(embed_dims=384, num_layers=12, num_heads=12),
        'model.neck.0.embed_dims': 384,
        'model.neck.1.in_channels': [384] * 4,
    },
    CAE_L: {**CAE_LARGE, **CAE_PROPOSALS, 'model.backbone.layer_scale_init': 1e-5},
    CAE_CASCADE: {
        **CASCADE_HEADS,
        **drawn_boxes(*[(512, 0.25)] * 3),
        **{f'model.roi_head.bbox_head.2.{key}': value for key, value in CAE_HEADS.items()},
        'model.roi_head.stage_loss_weights': [1, 0.5, 0.25],
        **CAE_PROPOSALS,
        'model.backbone.pos_embed': 'sincos_yx',
    },
    CAE_CASCADE_L: {**CAE_LARGE, **CAE_PROPOSALS, 'model.backbone.layer_scale_init': 1e-5},
    MAE_1X: {
        'model.backbone.pos_embed': 'sincos_xy',
        'model.backbone.layer_scale_init': None,
        **CAE_PROPOSALS,
    },
    MAE_1X_L: {**CAE_LARGE, 'model.backbone.pos_embed': 'sincos_xy', **CAE_PROPOSALS},
}

ORDERS = {
    DETECT: ['RandomFlip', 'RandomScaleResize', 'RandomDiagonalCrop'],
    CASCADE: ['RandomFlip', 'RandomScaleResize', 'RandomDiagonalCrop'],
    FPN: ['RandomFlip', 'RandomScaleResize', 'RandomDiagonalCrop'],
    CAE: ['RandomFlip', 'RandomChoice'],
}

RUNS: dict[str, list[str]] = {
    path: ['coco/bbox_mAP', 'coco/segm_mAP'] for path in (DETECT, FPN, CAE_CASCADE)
}
