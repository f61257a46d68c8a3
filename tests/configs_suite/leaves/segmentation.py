"""ADE20K segmentation: UperNet of BEiT, and of MAE and CAE, which follow it."""

from tests.configs_suite.leaves import schedules
from tests.configs_suite.leaves.runtime import COUNTS_ITERATIONS, run_of
from tests.configs_suite.leaves.training import PRETRAINED, evaluation, loader, loads, optimizer
from tests.configs_suite.leaves.tree import Tree, change, combine
from tests.configs_suite.tables import segmentation as paths

# Values that belong together share a line.
# fmt: off

LR = 'optim_wrapper.optimizer.lr'
LAYER_SCALE, POSITIONS = 'model.backbone.layer_scale_init', 'model.backbone.pos_embed'


def upernet(
    width: int, channels: tuple[int, int], side: int, stride: int, classes: int, norm: str
) -> Tree:
    """The heads of UperNet and of FCN on maps of the encoder's width.

    Args:
        width: Of the encoder.
        channels: Of UperNet and of FCN.
        side: Of the square crop.
        stride: From crop to crop of a test.
        classes: How many there are.
        norm: Normalization of pyramid and heads.
    """
    norm_cfg = dict(type=norm, requires_grad=True)
    shared = dict(dropout_ratio=0.1, num_classes=classes, norm_cfg=norm_cfg, align_corners=False)
    cross_entropy = dict(type='CrossEntropyLoss', use_sigmoid=False)
    return dict(
        type='EncoderDecoder',
        data_preprocessor=dict(
            type='SegDataPreProcessor', mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375),
            bgr_to_rgb=True, size=(side, side), pad_val=0, seg_pad_val=255,
        ),
        neck=dict(type='RescaledPyramid', embed_dims=width, norm_cfg=norm_cfg),
        decode_head=dict(
            type='UPerHead', in_channels=[width] * 4, in_index=[0, 1, 2, 3],
            pool_scales=(1, 2, 3, 6), channels=channels[0],
            loss_decode=dict(cross_entropy, loss_weight=1.0), **shared,
        ),
        auxiliary_head=dict(
            type='FCNHead', in_channels=width, in_index=2, channels=channels[1], num_convs=1,
            concat_input=False, loss_decode=dict(cross_entropy, loss_weight=0.4), **shared,
        ),
        train_cfg={},
        test_cfg=dict(mode='slide', crop_size=(side, side), stride=(stride, stride)),
    )


LOAD, PACK = dict(type='LoadImageFromFile'), dict(type='PackSegInputs')
ANNOTATIONS = dict(type='LoadAnnotations')
MAP = dict(type='MapLabels', num_classes=150, ignore_labels=[0])  # 0 is "something else"


def resize(scale: tuple[int, int]) -> Tree:
    """The whole picture within ``scale``."""
    return dict(type='Resize', scale=scale, keep_ratio=True)


TRAIN = [
    LOAD, ANNOTATIONS, MAP,
    dict(type='RandomResize', scale=(2048, 512), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(512, 512), cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    PACK,
]
EVALUATED = [LOAD, resize((2048, 512)), ANNOTATIONS, MAP, PACK]
# Factors .5 to 1.75, but no shorter side below the crop; each with its mirror image.
AUGMENTED = dict(
    type='TestTimeAug',
    transforms=[
        [resize((4 * side, side)) for side in (512, 512, 512, 640, 768, 896)],
        [dict(type='RandomFlip', prob=0.0), dict(type='RandomFlip', prob=1.0)],
        [ANNOTATIONS],
        [MAP],
        [PACK],
    ],
)


def ade20k(split: str, batch: int, pipeline: list) -> Tree:
    """Loader of a split of ADE20K."""
    dataset = dict(
        type='ADE20KDataset', data_root='data/ade/ADEChallengeData2016',
        data_prefix=dict(img_path=f'images/{split}', seg_map_path=f'annotations/{split}'),
        reduce_zero_label=False,  # MapLabels does it
    )
    train = split == 'training'
    return loader(batch, 4, dataset, pipeline, train, endless=train, persistent_workers=True)


MAE = combine(
    run_of('mmseg', 16, interval=16000, max_keep_ckpts=3, save_best='mIoU'),
    COUNTS_ITERATIONS,
    schedules.UPERNET,
    evaluation(ade20k('validation', 1, EVALUATED), type='IoUMetric', iou_metrics=['mIoU']),
    dict(
        model=combine(
            upernet(768, (768, 256), 512, 341, 150, 'SyncBN'),
            dict(
                backbone=dict(
                    type='PlainViT', arch='base', img_size=(512, 512), patch_size=16,
                    pos_embed='learned', layer_scale_init=1.0, drop_path_rate=0.1,
                    out_indices=(3, 5, 7, 11), final_norm=False, init_cfg=PRETRAINED,
                )
            ),
        ),
        train_dataloader=ade20k('training', 2, TRAIN), tta_model=dict(type='SegTTAModel'),
        tta_pipeline=[LOAD, AUGMENTED],
        optim_wrapper=optimizer(
            ['1d', 'bias', 'pos_embed', 'cls_token'], layer_decay=0.65,
            type='AdamW', lr=1e-4, betas=(0.9, 0.999), weight_decay=0.05,
        ),
    ),
)
REL_POS = {'model.backbone.rel_pos': 'table'}
LARGE = {
    'model.backbone.arch': 'large', 'model.backbone.out_indices': (7, 11, 15, 23),
    'model.neck.embed_dims': 1024, 'model.decode_head.in_channels': [1024] * 4,
    'model.decode_head.channels': 1024, 'model.auxiliary_head.in_channels': 1024,
}
MAE_LARGE = {
    **LARGE, **loads('mae_pretrain_vit_large'), POSITIONS: 'sincos_xy',
    'model.backbone.drop_path_rate': 0.2, LR: 4e-4,
}
# BEiT's and CAE's encoders have no key bias, and have layer scale.
OWN_BLOCKS = {**REL_POS, 'model.backbone.qkv_bias': 'no-key', LAYER_SCALE: 0.1}
CAE = change(MAE, OWN_BLOCKS, {POSITIONS: 'sincos_yx', **loads('cae_base_1600ep')})
CAE_LARGE = {
    **LARGE, **loads('cae_large_1600ep'), LAYER_SCALE: 1e-5, 'model.backbone.drop_path_rate': 0.15,
    LR: 4e-5, 'optim_wrapper.paramwise_cfg.layer_decay_rate': 0.95,
}

RECIPES = {
    paths.SEGMENT: MAE,
    paths.REL_POS: change(MAE, REL_POS),
    paths.LARGE: change(MAE, MAE_LARGE, {'model.backbone.rel_pos': False}),
    paths.LARGE_REL_POS: change(MAE, MAE_LARGE, REL_POS),
    paths.CAE_300: change(CAE, {LR: 3e-4, **loads('cae_base_300ep')}),
    paths.CAE_800: change(CAE, {LR: 2e-4, **loads('cae_base_800ep')}),
    paths.CAE_1600: CAE,
    paths.CAE_LARGE: change(CAE, CAE_LARGE),
    paths.BEIT: change(
        MAE, OWN_BLOCKS, {POSITIONS: None, LR: 7e-4, **loads('beit_base_patch16_224')}
    ),
}
