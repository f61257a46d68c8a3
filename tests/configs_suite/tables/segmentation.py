"""Segmentation: UperNet of MAE, BEiT and CAE on ADE20K."""

from tests.configs_suite.curves import mmcv_poly
from tests.configs_suite.recipe import Curve, Recipe

ROOM, DATA = 'segmentation/upernet_vit-', '_8xb2-amp-160k_ade20k-512x512.py'
SEGMENT = f'{ROOM}base-p16_mae-pre{DATA}'
REL_POS = f'{ROOM}base-p16_mae-pre_rel-pos{DATA}'
LARGE = f'{ROOM}large-p16_mae-pre{DATA}'
LARGE_REL_POS = f'{ROOM}large-p16_mae-pre_rel-pos{DATA}'
CAE_300 = f'{ROOM}base-p16_cae-300e-pre{DATA}'
CAE_800 = f'{ROOM}base-p16_cae-800e-pre{DATA}'
CAE_1600 = f'{ROOM}base-p16_cae-pre{DATA}'
CAE_LARGE = f'{ROOM}large-p16_cae-pre{DATA}'
BEIT = f'{ROOM}base-p16_beit-pre{DATA}'


def upernet(lr: float, layer_decay: float, drop_path: float) -> Recipe:
    """UperNet of BEiT and CAE: 160,000 iterations of 16 images; MAE's paper follows BEiT."""
    return Recipe(
        batch=16,
        lr=lr,
        weight_decay=0.05,
        curve=Curve(mmcv_poly(1500, 160000), 160000),
        layer_decay=layer_decay,
        drop_path=drop_path,
        no_decay=('1d', 'bias', 'pos_embed', 'cls_token'),
    )


RECIPES = {
    SEGMENT: upernet(1e-4, 0.65, 0.1),
    REL_POS: upernet(1e-4, 0.65, 0.1),
    LARGE: upernet(4e-4, 0.65, 0.2),
    LARGE_REL_POS: upernet(4e-4, 0.65, 0.2),
    CAE_300: upernet(3e-4, 0.65, 0.1),
    CAE_800: upernet(2e-4, 0.65, 0.1),
    CAE_1600: upernet(1e-4, 0.65, 0.1),
    CAE_LARGE: upernet(4e-5, 0.95, 0.15),
    BEIT: upernet(7e-4, 0.65, 0.1),
}

SHORT_SIDES = [512, 512, 512, 640, 768, 896]  # .5 to 1.75 of 512, but never below the crop
LARGE_MODEL = {
    'model.backbone.arch': 'large',
    'model.backbone.out_indices': (7, 11, 15, 23),
    'model.neck.embed_dims': 1024,
    'model.decode_head.channels': 1024,
    'model.decode_head.in_channels': [1024] * 4,
    'model.auxiliary_head.in_channels': 1024,
    'model.auxiliary_head.channels': 256,
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
        'tta_model.type': 'SegTTAModel',
        **{
            f'tta_pipeline.TestTimeAug.transforms.0.{i}.scale': (4 * short, short)
            for i, short in enumerate(SHORT_SIDES)
        },
        'tta_pipeline.TestTimeAug.transforms.1.0.prob': 0.0,
        'tta_pipeline.TestTimeAug.transforms.1.1.prob': 1.0,
    },
    REL_POS: {'model.backbone.rel_pos': 'table', 'model.backbone.pos_embed': 'learned'},
    LARGE_REL_POS: {
        **LARGE_MODEL,
        'model.backbone.pos_embed': 'sincos_xy',
        'model.backbone.layer_scale_init': 1.0,
        'model.backbone.rel_pos': 'table',
    },
    LARGE: {**LARGE_MODEL, 'model.backbone.rel_pos': False},
    CAE_1600: {
        'model.backbone.pos_embed': 'sincos_yx',
        'model.backbone.qkv_bias': 'no-key',
        'model.backbone.layer_scale_init': 0.1,
        'model.backbone.rel_pos': 'table',
    },
    CAE_LARGE: {
        **LARGE_MODEL,
        'model.backbone.pos_embed': 'sincos_yx',
        'model.backbone.qkv_bias': 'no-key',
        'model.backbone.layer_scale_init': 1e-5,
        'model.backbone.rel_pos': 'table',
    },
    BEIT: {
        'model.backbone.pos_embed': None,
        'model.backbone.qkv_bias': 'no-key',
        'model.backbone.layer_scale_init': 0.1,
        'model.backbone.rel_pos': 'table',
    },
}

ORDERS = {
    SEGMENT: ['RandomResize', 'RandomCrop', 'RandomFlip', 'PhotoMetricDistortion'],
}

RUNS: dict[str, list[str]] = {SEGMENT: ['mIoU']}
