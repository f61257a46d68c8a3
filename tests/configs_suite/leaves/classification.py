"""ImageNet classification: fine-tuned, partly, from scratch, and probed, for MAE and for CAE."""

from tests.configs_suite.leaves.imagenet import (
    FINE_TUNING,
    LINEAR_PROBING,
    NORMALIZE,
    PROBING,
    center_crop,
    images,
)
from tests.configs_suite.leaves.runtime import CLASSIFICATION, run_of
from tests.configs_suite.leaves.schedules import half_cosine, until
from tests.configs_suite.leaves.training import PRETRAINED, both, evaluation, loads, optimizer
from tests.configs_suite.leaves.tree import Tree, change, combine
from tests.configs_suite.tables import classification as paths

# Values that belong together share a line.
# fmt: off

WEIGHTS = 'model.backbone.init_cfg'
LR, LAYER_DECAY = 'optim_wrapper.optimizer.lr', 'optim_wrapper.paramwise_cfg.layer_decay_rate'
NO_DECAY = 'optim_wrapper.paramwise_cfg.no_decay'
DROP_PATH = 'model.backbone.drop_path_rate'
LOWEST = 'param_scheduler.1.eta_min_ratio'
LINSPACE = {'param_scheduler.0.endpoint': True}  # CAE's warm-up, by NumPy


def family(batch: int, of_a_gpu: int, pipeline: list) -> Tree:
    """What all of them share: the data, the evaluation, a ViT-B of MAE and a linear head."""
    return combine(
        run_of(
            'mmpretrain', batch, CLASSIFICATION,
            interval=1, max_keep_ckpts=3, save_best='accuracy/top1',
        ),
        evaluation(images('val', 128, 8, center_crop(256, 224)), type='Accuracy', topk=(1, 5)),
        dict(
            model=dict(
                type='ImageClassifier',
                data_preprocessor=dict(type='ClsDataPreprocessor', num_classes=1000, **NORMALIZE),
                backbone=dict(
                    type='PlainViT', arch='base', img_size=224, patch_size=16, pos_embed='learned',
                    init_cfg=PRETRAINED,
                ),
                head=dict(type='LinearClsHead', in_channels=768, num_classes=1000),
            ),
            train_dataloader=images('train', of_a_gpu, 8, pipeline),
            train_cfg=dict(val_interval=1),
        ),
    )


def encoder(arch: str, width: int) -> Tree:
    """Another encoder, and the width that the head gets."""
    patch = {'model.backbone.patch_size': 14} if arch == 'huge' else {}
    return {'model.backbone.arch': arch, 'model.head.in_channels': width, **patch}


LARGE = {**encoder('large', 1024), **loads('mae_pretrain_vit_large')}
HUGE = {**encoder('huge', 1280), **loads('mae_pretrain_vit_huge')}

# ---- fine-tuned: MAE's Table 9 and FINETUNE.md

FINE_TUNED = combine(
    family(1024, 128, FINE_TUNING),
    half_cosine(100, 5, dict(eta_min_ratio=1e-6 / 2e-3)),
    dict(
        model=dict(
            backbone=dict(out_type='avg', drop_path_rate=0.1), neck=None,
            head=dict(
                loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1, mode='original'),
                init_cfg=dict(type='TruncNormal', layer='Linear', std=2e-5),
            ),
            train_cfg=dict(
                augments=[
                    dict(type='FlippedMixup', alpha=0.8), dict(type='FlippedCutMix', alpha=1.0)
                ]
            ),
        ),
        optim_wrapper=optimizer(
            ['1d', 'pos_embed', 'cls_token'], layer_decay=0.65,
            type='AdamW', lr=2e-3, betas=(0.9, 0.999), weight_decay=0.05,
        ),
    ),
)
FIFTY = {LR: 4e-3, LAYER_DECAY: 0.75, LOWEST: 1e-6 / 4e-3, **until(50)}  # epochs, for L and H
MAE_LARGE = change(FINE_TUNED, LARGE, FIFTY, {DROP_PATH: 0.2})
MAE_HUGE = change(FINE_TUNED, HUGE, FIFTY, {DROP_PATH: 0.3})
PIXELS_448 = {
    'model.backbone.img_size': 448, 'train_dataloader.batch_size': 32,
    'train_dataloader.dataset.pipeline.1.scale': 448,
    **both(
        {'batch_size': 32, 'dataset.pipeline.1.scale': 448, 'dataset.pipeline.2.crop_size': 448}
    ),
}
PARTIAL = change(FINE_TUNED, LARGE, FIFTY, {'model.backbone.trainable_blocks': 4})

# ---- from scratch: MAE's Table 11

SCRATCH = change(
    FINE_TUNED,
    {
        LR: 1e-4 * 4096 / 256, 'optim_wrapper.optimizer.betas': (0.9, 0.95),
        'optim_wrapper.optimizer.weight_decay': 0.3, LOWEST: 0.0, **until(300, warm=20),
        'auto_scale_lr.base_batch_size': 4096,
        'custom_hooks.2': dict(type='EMAHook', momentum=1e-4),  # 1 - .9999
    },
    without=[WEIGHTS, LAYER_DECAY],
)
SHORTER = {DROP_PATH: 0.2, **until(200)}

# ---- fine-tuned: CAE's section 5.2 and scripts

CAE_ENCODER = {
    'model.backbone.pos_embed': 'sincos_yx', 'model.backbone.qkv_bias': 'no-key',
    'model.backbone.layer_scale_init': 0.1, **loads('cae_base_1600ep'),
}
CAE_LARGE = {'model.backbone.layer_scale_init': 1e-5, **loads('cae_large_1600ep')}
CAE = change(
    FINE_TUNED, CAE_ENCODER,
    {
        'model.backbone.rel_pos': 'table', f'{WEIGHTS}.fc_norm': 'norm', LR: 8e-3,
        LOWEST: 1e-6 / 8e-3, NO_DECAY: ['1d', 'bias', 'pos_embed', 'cls_token'],
        'auto_scale_lr.base_batch_size': 4096, **LINSPACE,
    },
)
JITTER = dict(type='ColorJitter', brightness=0.4, contrast=0.4, saturation=0.4)
TWELVE_HEADS = dict(embed_dims=384, num_layers=12, num_heads=12)

# ---- probed: MAE's Table 10 and main_linprobe.py, CAE's scripts

LINEAR = combine(
    family(16384, 512, LINEAR_PROBING),
    half_cosine(90, 10, dict(eta_min_ratio=0.0)),
    dict(
        model=dict(
            backbone=dict(out_type='cls', trainable_blocks=0),
            neck=dict(type='ClsBatchNormNeck', input_features=768, eps=1e-6),
            head=dict(
                loss=dict(type='CrossEntropyLoss'),
                init_cfg=dict(type='TruncNormal', layer='Linear', std=0.01),
            ),
        ),
        optim_wrapper=optimizer(
            [], type='MAELARS', lr=0.1 * 16384 / 256, momentum=0.9, weight_decay=0.0,
            trust_coefficient=0.001,
        ),
    ),
)

ATTENTIVE = combine(
    family(8192, 256, PROBING),
    half_cosine(90, 10, dict(eta_min_ratio=1e-6 / 0.4), endpoint=True),  # CAE's, by NumPy
    dict(
        model=dict(
            backbone=dict(out_type='tokens', trainable_blocks=0),
            neck=[
                dict(type='AttentiveProbe', embed_dims=768, num_heads=12),
                dict(type='ClsBatchNormNeck', input_features=768, eps=1e-5),
            ],
            head=dict(
                loss=dict(type='CrossEntropyLoss'),
                init_cfg=dict(type='Normal', layer='Linear', std=0.01),
            ),
        ),
        optim_wrapper=optimizer(
            [], type='SGD', lr=0.4, momentum=0.9, weight_decay=0.0, nesterov=True
        ),
    ),
)
LINEAR_LARGE = change(LINEAR, LARGE, {'model.neck.input_features': 1024})
ATTENTIVE_LARGE = change(
    ATTENTIVE, LARGE,
    {
        'model.neck.0.embed_dims': 1024, 'model.neck.0.num_heads': 16,
        'model.neck.1.input_features': 1024,
    },
)

RECIPES = {
    paths.CLASSIFY: FINE_TUNED,
    paths.MAE_SMALL: change(FINE_TUNED, encoder('small', 384), loads('mae_pretrain_vit_small')),
    paths.MAE_LARGE: MAE_LARGE,
    paths.MAE_HUGE: MAE_HUGE,
    paths.MAE_HUGE_448: change(MAE_HUGE, PIXELS_448),
    paths.PARTIAL: PARTIAL,
    paths.PARTIAL_MLP: change(PARTIAL, {'model.backbone.trainable_blocks': 0.5}),
    paths.SCRATCH_BASE: SCRATCH,
    paths.SCRATCH_LARGE: change(SCRATCH, encoder('large', 1024), SHORTER),
    paths.SCRATCH_HUGE: change(SCRATCH, encoder('huge', 1280), SHORTER),
    paths.CAE_BASE: CAE,
    paths.CAE_JITTER: change(CAE, {'train_dataloader.dataset.pipeline.3': JITTER}),
    paths.CAE_SMALL: change(
        CAE,
        {
            'model.backbone.arch': TWELVE_HEADS, 'model.head.in_channels': 384,
            **loads('cae_small'), LR: 1.6e-2, LAYER_DECAY: 0.75, LOWEST: 1e-6 / 1.6e-2,
            **until(200),
        },
    ),
    paths.CAE_LARGE: change(
        CAE,
        encoder('large', 1024),
        CAE_LARGE,
        {
            DROP_PATH: 0.2, LR: 2e-3, LAYER_DECAY: 0.75, LOWEST: 1e-6 / 2e-3, **until(50),
            'train_dataloader.batch_size': 64, 'optim_wrapper.accumulative_counts': 2,
        },
    ),
    paths.LINEAR: LINEAR,
    paths.LINEAR_LARGE: LINEAR_LARGE,
    paths.LINEAR_HUGE: change(LINEAR, HUGE, {'model.neck.input_features': 1280}),
    paths.CAE_LINEAR: change(LINEAR, CAE_ENCODER),
    paths.CAE_LINEAR_LARGE: change(LINEAR_LARGE, CAE_ENCODER, CAE_LARGE),
    paths.ATTENTIVE: ATTENTIVE,
    paths.ATTENTIVE_LARGE: ATTENTIVE_LARGE,
    paths.CAE_ATTENTIVE: change(ATTENTIVE, CAE_ENCODER),
    paths.CAE_ATTENTIVE_LARGE: change(ATTENTIVE_LARGE, CAE_ENCODER, CAE_LARGE),
}
