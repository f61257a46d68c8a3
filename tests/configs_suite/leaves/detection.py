"""COCO detection: ViTDet, the benchmark of Li et al. 2021, CAE's 1x recipe, and the Cascades."""

from tests.configs_suite.leaves import schedules
from tests.configs_suite.leaves.coco import (
    LARGE_SCALE_JITTER,
    METRIC,
    MULTI_SCALE,
    evaluated,
    training,
    validation,
)
from tests.configs_suite.leaves.mask_rcnn import (
    CHANNEL_LN,
    SYNC_BN,
    box_head,
    detectron2s_cascade,
    detectron2s_mask_rcnn,
    mmdetections_cascade,
    mmdetections_mask_rcnn,
)
from tests.configs_suite.leaves.runtime import COUNTS_ITERATIONS, DETECTRON2S_RECIPES, FSDP, run_of
from tests.configs_suite.leaves.schedules import benchmark_until, vitdet_until
from tests.configs_suite.leaves.training import PRETRAINED, evaluation, loads, optimizer
from tests.configs_suite.leaves.tree import change, combine
from tests.configs_suite.tables import detection as paths
from tests.configs_suite.tables import fsdp

# Values that belong together share a line.
# fmt: off

WEIGHTS = 'model.backbone.init_cfg'
LR, DECAY = 'optim_wrapper.optimizer.lr', 'optim_wrapper.optimizer.weight_decay'
LAYER_DECAY = 'optim_wrapper.paramwise_cfg.layer_decay_rate'
DROP_PATH = 'model.backbone.drop_path_rate'
GLOBAL, MAPS = 'model.backbone.global_blocks', 'model.backbone.out_indices'
SAVED = dict(max_keep_ckpts=3, save_best='coco/bbox_mAP')
ADAMW = dict(type='AdamW', betas=(0.9, 0.999))
ENCODER = dict(type='PlainViT', arch='base', patch_size=16, final_norm=False, init_cfg=PRETRAINED)
WINDOWS = dict(  # of 14 x 14 tokens; four blocks see the whole picture
    img_size=1024, pretrain_img_size=224, with_cls_token=False, pos_embed='learned', window_size=14,
    global_blocks=(2, 5, 8, 11), drop_path_rate=0.1,
)
# Pictures of 1024 x 1024, large-scale jitter, batches of 64.
AT_1024 = combine(
    run_of('mmdet', 64, DETECTRON2S_RECIPES, interval=5000, **SAVED),
    COUNTS_ITERATIONS,
    evaluation(validation(evaluated((1024, 1024), backend='pillow')), **METRIC),
    dict(
        train_dataloader=training(4, LARGE_SCALE_JITTER, smallest={}, endless=True),
        model=dict(
            data_preprocessor=dict(pad_size_divisor=1024, pad_value=0),
            backbone=combine(ENCODER, WINDOWS), rpn_head=dict(num_convs=2),
        ),
    ),
)

# ---- ViTDet: Table 11, Detectron2's mask_rcnn_vitdet.py and cascade_mask_rcnn_vitdet_b_100ep.py

VITDET_PARTS = combine(
    AT_1024,
    schedules.VITDET,
    dict(
        model=dict(
            backbone=dict(rel_pos=True),
            neck=dict(
                type='SimpleFPN', in_channels=768, out_channels=256, num_outs=5,
                norm_cfg=CHANNEL_LN,
            ),
        ),
        optim_wrapper=optimizer(
            ['norm', 'pos_embed'], layer_decay=0.7, lr=1e-4, weight_decay=0.1, **ADAMW
        ),
    ),
)
VITDET = combine(VITDET_PARTS, dict(model=detectron2s_mask_rcnn(CHANNEL_LN)))
CASCADE = combine(VITDET_PARTS, dict(model=detectron2s_cascade(CHANNEL_LN)))
LARGE = {
    'model.backbone.arch': 'large', GLOBAL: (5, 11, 17, 23), 'model.neck.in_channels': 1024,
    DROP_PATH: 0.4, 'train_dataloader.batch_size': 2,
}
MAE_LARGE = {**loads('mae_pretrain_vit_large'), LAYER_DECAY: 0.8}
HUGE = {  # three quarters of the length; every parameter is decayed
    'model.backbone.arch': 'huge', GLOBAL: (7, 15, 23, 31), 'model.neck.in_channels': 1280,
    DROP_PATH: 0.5, 'train_dataloader.batch_size': 1, **loads('mae_pretrain_vit_huge_p14to16'),
    LAYER_DECAY: 0.9, 'optim_wrapper.paramwise_cfg.no_decay': [],
    **vitdet_until(138281, [122916, 133159]),
    'param_scheduler.0.end': 250 * 138281 / 184375,
}
RPN_LN = {
    'model.rpn_head.type': 'RPNHeadWithNorm', 'model.rpn_head.norm_cfg': CHANNEL_LN,
}
# Supervised or random at the start: no relative positions, no layer decay.
NOT_MAE = change(VITDET, {'model.backbone.rel_pos': False}, without=[LAYER_DECAY])
LABELS = change(NOT_MAE, {LR: 8e-5, **vitdet_until(92187, [81944, 88773])})
RANDOM = change(NOT_MAE, {LR: 1.6e-4, DECAY: 0.2}, without=[WEIGHTS])

# ---- the benchmark: Li et al. 2021

BENCHMARK = combine(
    AT_1024,
    schedules.BENCHMARK,
    dict(
        model=combine(
            detectron2s_mask_rcnn(SYNC_BN),
            dict(
                backbone=dict(rel_pos='shared_table', out_indices=(2, 5, 8, 11)),
                neck=[
                    dict(
                        type='RescaledPyramid', embed_dims=768,
                        norm_cfg=dict(type='GN', num_groups=32),
                        init_cfg=dict(
                            type='TruncNormal', layer='ConvTranspose2d',
                            std=(4 * 768) ** -0.5 / 0.8796,
                        ),
                    ),
                    dict(
                        type='FPN', in_channels=[768] * 4, out_channels=256, num_outs=5,
                        norm_cfg=SYNC_BN, init_cfg=dict(type='Caffe2Xavier', layer='Conv2d'),
                    ),
                ],
            ),
        ),
        optim_wrapper=optimizer(
            ['norm', 'pos_embed', 'relative_position_bias_table'],
            lr=8e-5, weight_decay=0.1, **ADAMW,
        ),
    ),
)
WIDE_PYRAMID = {'model.neck.0.embed_dims': 1024, 'model.neck.1.in_channels': [1024] * 4}
BENCHMARK_LARGE = {
    'model.backbone.arch': 'large', GLOBAL: (5, 11, 17, 23), MAPS: (5, 11, 17, 23), **WIDE_PYRAMID,
    'model.neck.0.init_cfg.std': (4 * 1024) ** -0.5 / 0.8796, DROP_PATH: 0.3,
    'train_dataloader.batch_size': 2,
}
BEIT = {
    'model.backbone.pos_embed': None, 'model.backbone.pretrain_img_size': None,
    'model.backbone.qkv_bias': 'no-key', 'model.backbone.layer_scale_init': 0.1,
    **loads('beit_base_patch16_224'),
}
BEIT_LARGE = {'model.backbone.layer_scale_init': 1e-5, **loads('beit_large_patch16_224')}
BENCHMARK_RANDOM = change(
    BENCHMARK,
    {LR: 1.6e-4, DECAY: 0.2, **benchmark_until(737500)},
    without=[WEIGHTS],
)

# ---- CAE's 1x recipe: section 5.4 and the scripts of its released code

CAE_PARTS = change(
    combine(
        run_of('mmdet', 32, interval=1, **SAVED),
        schedules.CAE_1X,
        evaluation(validation(evaluated((1333, 800))), **METRIC),
        dict(
            train_dataloader=training(
                2, MULTI_SCALE, smallest=dict(min_size=32),
                batch_sampler=dict(type='AspectRatioBatchSampler'),
            ),
            model=dict(
                data_preprocessor=dict(pad_size_divisor=32, pad_value=0),
                backbone=dict(
                    ENCODER, img_size=224, pos_embed='sincos_yx', qkv_bias='no-key',
                    layer_scale_init=0.1, drop_path_rate=0.2, out_indices=(3, 5, 7, 11),
                ),
                neck=[
                    dict(type='RescaledPyramid', embed_dims=768, norm_cfg=SYNC_BN),
                    dict(type='FPN', in_channels=[768] * 4, out_channels=256, num_outs=5),
                ],
            ),
            optim_wrapper=optimizer(
                ['1d', 'bias', 'pos_embed', 'cls_token'], layer_decay=0.75,
                lr=3e-4, weight_decay=0.05, **ADAMW,
            ),
        ),
    ),
    {**loads('cae_base_1600ep'), 'env_cfg.cudnn_benchmark': False},  # many sizes of pictures
)
GIOU = dict(reg_decoded_bbox=True, loss_bbox=dict(type='GIoULoss', loss_weight=10.0))
CAE = combine(
    CAE_PARTS,
    dict(model=mmdetections_mask_rcnn(box_head(SYNC_BN, **GIOU), 2000, mask_norm=None)),
)
CAE_CASCADE = combine(  # weights and codes of MMDetection, where ViTDet has Detectron2's
    CAE_PARTS,
    dict(
        model=mmdetections_cascade(
            [
                box_head(SYNC_BN, **GIOU),
                box_head(SYNC_BN, stds=(0.05, 0.05, 0.1, 0.1), **GIOU),
                box_head(SYNC_BN, stds=(0.033, 0.033, 0.067, 0.067), **GIOU),
            ],
            2000,
        )
    ),
)
CAE_SMALL = {
    'model.backbone.arch': dict(embed_dims=384, num_layers=12, num_heads=12),
    'model.neck.0.embed_dims': 384, 'model.neck.1.in_channels': [384] * 4, DROP_PATH: 0.1,
    **loads('cae_small'),
}
LARGE_1X = {
    'model.backbone.arch': 'large', MAPS: (7, 11, 15, 23), **WIDE_PYRAMID, LR: 2e-4,
    LAYER_DECAY: 0.85,
}
CAE_LARGE = {**LARGE_1X, 'model.backbone.layer_scale_init': 1e-5, **loads('cae_large_1600ep')}
MAE_1X = change(
    CAE,
    {
        'model.backbone.pos_embed': 'sincos_xy', 'model.backbone.qkv_bias': True,
        'model.backbone.layer_scale_init': None, **loads('mae_pretrain_vit_base'),
    },
)

RECIPES = {
    paths.DETECT: VITDET,
    paths.RPN_LN: change(VITDET, RPN_LN),
    paths.LARGE: change(VITDET, LARGE, MAE_LARGE),
    paths.HUGE: change(VITDET, HUGE),
    fsdp.sharded(paths.LARGE): change(VITDET, LARGE, MAE_LARGE, FSDP),
    fsdp.sharded(paths.HUGE): change(VITDET, HUGE, FSDP),
    paths.CASCADE: CASCADE,
    paths.CASCADE_L: change(CASCADE, LARGE, MAE_LARGE),
    paths.CASCADE_H: change(CASCADE, HUGE),
    paths.LABELS_B: change(LABELS, loads('deit_base_patch16_224-b5f2ef4d')),
    paths.LABELS_L: change(LABELS, LARGE, loads('deit_large_in1k')),
    paths.RANDOM_B: change(RANDOM, vitdet_until(553125, [491667, 532638])),
    paths.RANDOM_L: change(RANDOM, LARGE, vitdet_until(368750, [327778, 355092])),
    paths.FPN: BENCHMARK,
    paths.FPN_25: change(
        BENCHMARK, benchmark_until(46093), {'param_scheduler.0.warmup': 46093 * 0.25 / 25}
    ),
    paths.FPN_50: change(
        BENCHMARK, benchmark_until(92187), {'param_scheduler.0.warmup': 92187 * 0.25 / 50}
    ),
    paths.FPN_L: change(BENCHMARK, BENCHMARK_LARGE, loads('mae_pretrain_vit_large')),
    paths.FPN_MOCO: change(BENCHMARK, {LR: 1.6e-4, **loads('mocov3_vit-base-300ep')}),
    paths.FPN_MOCO_L: change(
        BENCHMARK, BENCHMARK_LARGE, {LR: 1.6e-4, **loads('mocov3_vit-large-300ep')}
    ),
    paths.FPN_BEIT: change(BENCHMARK, BEIT),
    paths.FPN_BEIT_L: change(BENCHMARK, BEIT, BENCHMARK_LARGE, BEIT_LARGE),
    paths.FPN_RANDOM: BENCHMARK_RANDOM,
    paths.FPN_RANDOM_L: change(BENCHMARK_RANDOM, BENCHMARK_LARGE),
    paths.CAE: CAE,
    paths.CAE_S: change(CAE, CAE_SMALL),
    paths.CAE_L: change(CAE, CAE_LARGE),
    paths.CAE_CASCADE: CAE_CASCADE,
    paths.CAE_CASCADE_L: change(CAE_CASCADE, CAE_LARGE),
    paths.MAE_1X: MAE_1X,
    paths.MAE_1X_L: change(MAE_1X, LARGE_1X, loads('mae_pretrain_vit_large')),
}
