"""Segmentation: UperNet of MAE, BEiT and CAE on ADE20K."""

from tests.configs_suite.curves import warm_up_poly
from tests.configs_suite.recipe import Curve, Recipe

SEGMENT = 'segmentation/upernet_vit-base-p16_mae-pre_8xb2-amp-160k_ade20k-512x512.py'


RECIPES = {
    SEGMENT: Recipe(
        batch=16,
        lr=1e-4,
        weight_decay=0.05,
        curve=Curve(warm_up_poly(1500, 160000), 160000, 1500, 1 / 25, error=25 / 158500),
        layer_decay=0.65,
        drop_path=0.1,
        no_decay=('1d', 'bias', 'pos_embed', 'cls_token'),
    ),
}

FACTS = {
    SEGMENT: {
        'train_cfg.max_iters': 160000,
        'model.backbone.img_size': (512, 512),
        'model.backbone.out_indices': (3, 5, 7, 11),
        'model.backbone.layer_scale_init': 1.0,
        'model.backbone.final_norm': False,
        'model.neck.type': 'RescaledPyramid',
        'model.neck.norm_cfg.type': 'SyncBN',
        'model.data_preprocessor.size': (512, 512),
        'model.decode_head.type': 'UPerHead',
        'model.decode_head.channels': 768,
        'model.decode_head.pool_scales': (1, 2, 3, 6),
        'model.decode_head.dropout_ratio': 0.1,
        'model.decode_head.num_classes': 150,
        'model.decode_head.norm_cfg.type': 'SyncBN',
        'model.decode_head.align_corners': False,
        'model.auxiliary_head.type': 'FCNHead',
        'model.auxiliary_head.in_index': 2,
        'model.auxiliary_head.channels': 256,
        'model.auxiliary_head.num_convs': 1,
        'model.auxiliary_head.num_classes': 150,
        'model.auxiliary_head.loss_decode.loss_weight': 0.4,
        'model.test_cfg': dict(mode='slide', crop_size=(512, 512), stride=(341, 341)),
        'train_pipeline.RandomResize.scale': (2048, 512),
        'train_pipeline.RandomResize.ratio_range': (0.5, 2.0),
        'train_pipeline.RandomCrop.crop_size': (512, 512),
        'train_pipeline.RandomCrop.cat_max_ratio': 0.75,
        'train_pipeline.MapLabels.ignore_labels': [0],
        'train_pipeline.MapLabels.num_classes': 150,
        'test_pipeline.MapLabels.ignore_labels': [0],
        'val_evaluator.iou_metrics': ['mIoU'],
    },
}

ORDERS = {
    SEGMENT: ['RandomResize', 'RandomCrop', 'RandomFlip', 'PhotoMetricDistortion'],
}

RUNS: dict[str, list[str]] = {
    SEGMENT: ['mIoU'],
}
