"""Detection: ViTDet and its code in Detectron2, Li et al. 2021, CAE."""

from tests.configs_suite.curves import warm_up_steps
from tests.configs_suite.recipe import Curve, Recipe

DETECT = 'detection/mask-rcnn_vit-base-p16_mae-pre_simple-fpn_16xb4-amp-lsj-100e_coco.py'


RECIPES = {
    DETECT: Recipe(
        batch=64,
        lr=1e-4,
        weight_decay=0.1,
        curve=Curve(warm_up_steps(250, (163889, 177546)), 184375, 250, 1 / 25),
        layer_decay=0.7,
        drop_path=0.1,
        no_decay=('norm', 'pos_embed'),
    ),
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
        'model.roi_head.mask_head.num_convs': 4,
        'model.roi_head.mask_head.norm_cfg': dict(type='ChannelLN', eps=1e-6),
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
        'train_pipeline.RandomResize.scale': (1024, 1024),
        'train_pipeline.RandomResize.ratio_range': (0.1, 2.0),
        'train_pipeline.RandomCrop.crop_size': (1024, 1024),
        'train_pipeline.RandomCrop.crop_type': 'absolute',
        'test_pipeline.Resize.scale': (1024, 1024),
        'test_pipeline.Resize.keep_ratio': True,
        'val_evaluator.type': 'FasterCocoMetric',
        'val_evaluator.metric': ['bbox', 'segm'],
    },
}

ORDERS = {
    DETECT: ['RandomFlip', 'RandomResize', 'RandomCrop'],
}

RUNS: dict[str, list[str]] = {
    DETECT: ['coco/bbox_mAP', 'coco/segm_mAP'],
}
