"""Classification: Tables 9 to 11 of MAE, FINETUNE.md of its code; CAE's section 5.2 and scripts."""

from tests.configs_suite import curves
from tests.configs_suite.recipe import Curve, Recipe

ROOM = 'classification/'
CLASSIFY = f'{ROOM}vit-base-p16_mae-pre_8xb128-amp-coslr-100e_in1k.py'
MAE_SMALL = f'{ROOM}vit-small-p16_mae-pre_8xb128-amp-coslr-100e_in1k.py'
MAE_LARGE = f'{ROOM}vit-large-p16_mae-pre_8xb128-amp-coslr-50e_in1k.py'
MAE_HUGE = f'{ROOM}vit-huge-p14_mae-pre_8xb128-amp-coslr-50e_in1k.py'
MAE_HUGE_448 = f'{ROOM}vit-huge-p14_mae-pre_32xb32-amp-coslr-50e_in1k-448x448.py'
PARTIAL = f'{ROOM}vit-large-p16_mae-pre_8xb128-amp-partial-coslr-50e_in1k.py'
PARTIAL_MLP = f'{ROOM}vit-large-p16_mae-pre_8xb128-amp-partial-mlp-coslr-50e_in1k.py'
SCRATCH_BASE = f'{ROOM}vit-base-p16_32xb128-amp-ema-coslr-300e_in1k.py'
SCRATCH_LARGE = f'{ROOM}vit-large-p16_32xb128-amp-ema-coslr-200e_in1k.py'
SCRATCH_HUGE = f'{ROOM}vit-huge-p14_32xb128-amp-ema-coslr-200e_in1k.py'
CAE_SMALL = f'{ROOM}vit-small-p16_cae-pre_32xb128-amp-coslr-200e_in1k.py'
CAE_BASE = f'{ROOM}vit-base-p16_cae-pre_32xb128-amp-coslr-100e_in1k.py'
CAE_JITTER = f'{ROOM}vit-base-p16_cae-pre_32xb128-amp-jitter-coslr-100e_in1k.py'
CAE_LARGE = f'{ROOM}vit-large-p16_cae-pre_32xb128-amp-coslr-50e_in1k.py'
LINEAR = f'{ROOM}vit-base-p16_mae-pre_32xb512-amp-linear-coslr-90e_in1k.py'
LINEAR_LARGE = f'{ROOM}vit-large-p16_mae-pre_32xb512-amp-linear-coslr-90e_in1k.py'
LINEAR_HUGE = f'{ROOM}vit-huge-p14_mae-pre_32xb512-amp-linear-coslr-90e_in1k.py'
CAE_LINEAR = f'{ROOM}vit-base-p16_cae-pre_32xb512-amp-linear-coslr-90e_in1k.py'
CAE_LINEAR_LARGE = f'{ROOM}vit-large-p16_cae-pre_32xb512-amp-linear-coslr-90e_in1k.py'
ATTENTIVE = f'{ROOM}vit-base-p16_mae-pre_32xb256-amp-attentive-coslr-90e_in1k.py'
ATTENTIVE_LARGE = f'{ROOM}vit-large-p16_mae-pre_32xb256-amp-attentive-coslr-90e_in1k.py'
CAE_ATTENTIVE = f'{ROOM}vit-base-p16_cae-pre_32xb256-amp-attentive-coslr-90e_in1k.py'
CAE_ATTENTIVE_LARGE = f'{ROOM}vit-large-p16_cae-pre_32xb256-amp-attentive-coslr-90e_in1k.py'


def mae(lr: float, epochs: int, layer_decay: float, drop_path: float) -> Recipe:
    """Fine-tuning as in FINETUNE.md: 5 epochs of warm-up, down to 1e-6."""
    return Recipe(
        batch=1024,
        lr=lr,
        weight_decay=0.05,
        curve=Curve.of_epochs(curves.mae, 5, epochs, 1e-6 / lr),
        layer_decay=layer_decay,
        drop_path=drop_path,
        no_decay=('1d', 'pos_embed', 'cls_token'),
    )


def cae(lr: float, epochs: int, layer_decay: float, drop_path: float) -> Recipe:
    """Fine-tuning as in CAE's scripts: 5 epochs of warm-up, down to 1e-6."""
    return Recipe(
        batch=4096,
        lr=lr,
        weight_decay=0.05,
        curve=Curve.of_epochs(curves.beit, 5, epochs, 1e-6 / lr),
        layer_decay=layer_decay,
        drop_path=drop_path,
        no_decay=('1d', 'bias', 'pos_embed', 'cls_token'),
    )


def scratch(epochs: int, drop_path: float) -> Recipe:
    """Supervised training from scratch, MAE's Table 11, with the formula of its code."""
    return Recipe(
        batch=4096,
        lr=1.6e-3,
        weight_decay=0.3,
        curve=Curve.of_epochs(curves.mae, 20, epochs),
        drop_path=drop_path,
        no_decay=('1d', 'pos_embed', 'cls_token'),
        betas=(0.9, 0.95),
    )


def linear() -> Recipe:
    """MAE's Table 10 and main_linprobe.py: LARS, 90 epochs, 10 of warm-up, down to 0.

    CAE's code copies MAE's for it.
    """
    return Recipe(
        batch=16384,
        lr=6.4,
        weight_decay=0.0,
        curve=Curve.of_epochs(curves.mae, 10, 90),
        no_decay=(),
        optimizer='MAELARS',
        betas=None,
        momentum=0.9,
    )


def attentive() -> Recipe:
    """CAE's attentive probe: SGD, 90 epochs, 10 of warm-up, down to 1e-6."""
    return Recipe(
        batch=8192,
        lr=0.4,
        weight_decay=0.0,
        curve=Curve.of_epochs(curves.beit, 10, 90, 1e-6 / 0.4),
        no_decay=(),
        optimizer='SGD',
        betas=None,
        momentum=0.9,
    )


RECIPES = {
    CLASSIFY: mae(2e-3, 100, 0.65, 0.1),
    MAE_SMALL: mae(2e-3, 100, 0.65, 0.1),
    MAE_LARGE: mae(4e-3, 50, 0.75, 0.2),
    MAE_HUGE: mae(4e-3, 50, 0.75, 0.3),
    MAE_HUGE_448: mae(4e-3, 50, 0.75, 0.3),
    PARTIAL: mae(4e-3, 50, 0.75, 0.1),  # Table 9, where full fine-tuning takes FINETUNE.md
    PARTIAL_MLP: mae(4e-3, 50, 0.75, 0.1),
    SCRATCH_BASE: scratch(300, 0.1),
    SCRATCH_LARGE: scratch(200, 0.2),
    SCRATCH_HUGE: scratch(200, 0.2),
    CAE_SMALL: cae(1.6e-2, 200, 0.75, 0.1),
    CAE_BASE: cae(8e-3, 100, 0.65, 0.1),
    CAE_JITTER: cae(8e-3, 100, 0.65, 0.1),
    CAE_LARGE: cae(2e-3, 50, 0.75, 0.2),
    LINEAR: linear(),
    LINEAR_LARGE: linear(),
    LINEAR_HUGE: linear(),
    CAE_LINEAR: linear(),
    CAE_LINEAR_LARGE: linear(),
    ATTENTIVE: attentive(),
    ATTENTIVE_LARGE: attentive(),
    CAE_ATTENTIVE: attentive(),
    CAE_ATTENTIVE_LARGE: attentive(),
}

FINE_TUNING_DATA = {
    'model.data_preprocessor.mean': [123.675, 116.28, 103.53],
    'model.data_preprocessor.std': [58.395, 57.12, 57.375],
    'model.data_preprocessor.to_rgb': True,
    'train_dataloader.drop_last': True,
    'train_pipeline.RandomResizedCrop.scale': 224,
    'train_pipeline.RandomResizedCrop.crop_ratio_range': (0.08, 1.0),
    'train_pipeline.RandomResizedCrop.interpolation': 'bicubic',
    'train_pipeline.RandomFlip.prob': 0.5,
    'train_pipeline.TimmRandAugment.config_str': 'rand-m9-mstd0.5-inc1',
    'train_pipeline.TimmRandAugment.fill_rgb': [124, 116, 104],
    'train_pipeline.TimmRandAugment.interpolation': 'bicubic',
    'train_pipeline.RandomErasing.erase_prob': 0.25,
    'train_pipeline.RandomErasing.mode': 'rand',
    'train_pipeline.RandomErasing.min_area_ratio': 0.02,
    'train_pipeline.RandomErasing.max_area_ratio': 1 / 3,
    'test_pipeline.ResizeEdge.scale': 256,
    'test_pipeline.ResizeEdge.edge': 'short',
    'test_pipeline.ResizeEdge.interpolation': 'bicubic',
    'test_pipeline.CenterCrop.crop_size': 224,
}
FINE_TUNING = {
    **FINE_TUNING_DATA,
    'model.backbone.out_type': 'avg',
    'model.head.num_classes': 1000,
    'model.head.loss.type': 'LabelSmoothLoss',
    'model.head.loss.label_smooth_val': 0.1,
    'model.head.loss.mode': 'original',
    'model.head.init_cfg.type': 'TruncNormal',
    'model.head.init_cfg.std': 2e-5,
    'model.train_cfg.augments.0.type': 'FlippedMixup',
    'model.train_cfg.augments.0.alpha': 0.8,
    'model.train_cfg.augments.1.type': 'FlippedCutMix',
    'model.train_cfg.augments.1.alpha': 1.0,
}
CAE_ENCODER = {
    'model.backbone.pos_embed': 'sincos_yx',
    'model.backbone.qkv_bias': 'no-key',
    'model.backbone.layer_scale_init': 0.1,
}
PROBE_TEST = {
    'model.head.type': 'LinearClsHead',
    'model.head.loss.type': 'CrossEntropyLoss',
    'train_dataloader.drop_last': True,
    'test_pipeline.ResizeEdge.scale': 256,
    'test_pipeline.ResizeEdge.interpolation': 'bicubic',
    'test_pipeline.CenterCrop.crop_size': 224,
}
LINEAR_FACTS = {
    **PROBE_TEST,
    'train_cfg.max_epochs': 90,
    'model.backbone.out_type': 'cls',
    'model.backbone.trainable_blocks': 0,
    'model.neck.type': 'ClsBatchNormNeck',
    'model.neck.input_features': 768,
    'model.neck.eps': 1e-6,
    'model.head.init_cfg.type': 'TruncNormal',
    'model.head.init_cfg.std': 0.01,
    'optim_wrapper.optimizer.trust_coefficient': 0.001,
    'train_pipeline.RandomClippedCrop.scale': 224,
    'train_pipeline.RandomClippedCrop.crop_ratio_range': (0.08, 1.0),
    'train_pipeline.RandomClippedCrop.interpolation': 'bicubic',
    'train_pipeline.RandomFlip.prob': 0.5,
}
ATTENTIVE_FACTS = {
    **PROBE_TEST,
    'train_cfg.max_epochs': 90,
    'model.backbone.out_type': 'tokens',
    'model.backbone.trainable_blocks': 0,
    'model.neck.0': dict(type='AttentiveProbe', embed_dims=768, num_heads=12),
    'model.neck.1': dict(type='ClsBatchNormNeck', input_features=768, eps=1e-5),
    'model.head.init_cfg.type': 'Normal',
    'model.head.init_cfg.std': 0.01,
    'optim_wrapper.optimizer.nesterov': True,
    'train_pipeline.RandomResizedCrop.scale': 224,
    'train_pipeline.RandomResizedCrop.crop_ratio_range': (0.08, 1.0),
    'train_pipeline.RandomResizedCrop.interpolation': 'bicubic',
    'train_pipeline.RandomFlip.prob': 0.5,
}

FACTS = {
    CLASSIFY: {
        **FINE_TUNING,
        'train_cfg.max_epochs': 100,
        'model.backbone.pos_embed': 'learned',
        'model.backbone.init_cfg': dict(
            type='PretrainedViT', checkpoint='checkpoints/mae_pretrain_vit_base.pth'
        ),
    },
    MAE_SMALL: {'model.head.in_channels': 384},
    MAE_LARGE: {**FINE_TUNING, 'train_cfg.max_epochs': 50, 'model.head.in_channels': 1024},
    MAE_HUGE: {**FINE_TUNING, 'train_cfg.max_epochs': 50, 'model.head.in_channels': 1280},
    MAE_HUGE_448: {
        'train_cfg.max_epochs': 50,
        'model.backbone.img_size': 448,
        'train_pipeline.RandomResizedCrop.scale': 448,
        'test_pipeline.ResizeEdge.scale': 448,
        'test_pipeline.CenterCrop.crop_size': 448,
        'test_dataloader.dataset.pipeline.1.scale': 448,
        'test_dataloader.dataset.pipeline.2.crop_size': 448,
    },
    PARTIAL: {'model.backbone.trainable_blocks': 4, 'model.backbone.out_type': 'avg'},
    PARTIAL_MLP: {'model.backbone.trainable_blocks': 0.5, 'model.backbone.out_type': 'avg'},
    SCRATCH_BASE: {
        **FINE_TUNING,
        'train_cfg.max_epochs': 300,
        'custom_hooks.EMAHook.momentum': 1e-4,  # 1 - .9999
    },
    SCRATCH_LARGE: {'custom_hooks.EMAHook.momentum': 1e-4, 'model.head.in_channels': 1024},
    SCRATCH_HUGE: {'custom_hooks.EMAHook.momentum': 1e-4, 'model.head.in_channels': 1280},
    CAE_BASE: {
        **FINE_TUNING,
        **CAE_ENCODER,
        'train_cfg.max_epochs': 100,
        'train_dataloader.batch_size': 128,
        'model.backbone.rel_pos': 'table',
        'model.backbone.init_cfg.fc_norm': 'norm',
    },
    CAE_JITTER: {
        'train_pipeline.ColorJitter.brightness': 0.4,
        'train_pipeline.ColorJitter.contrast': 0.4,
        'train_pipeline.ColorJitter.saturation': 0.4,
        'model.backbone.init_cfg.fc_norm': 'norm',
    },
    CAE_SMALL: {
        **CAE_ENCODER,
        'model.backbone.arch': dict(embed_dims=384, num_layers=12, num_heads=12),
        'model.backbone.rel_pos': 'table',
        'model.backbone.init_cfg.fc_norm': 'norm',
    },
    CAE_LARGE: {
        **CAE_ENCODER,
        'model.backbone.layer_scale_init': 1e-5,
        'model.backbone.rel_pos': 'table',
        'model.backbone.init_cfg.fc_norm': 'norm',
        'train_dataloader.batch_size': 64,
        'optim_wrapper.accumulative_counts': 2,
        'train_cfg.max_epochs': 50,
    },
    LINEAR: LINEAR_FACTS,
    LINEAR_LARGE: {'model.neck.input_features': 1024, 'model.backbone.trainable_blocks': 0},
    LINEAR_HUGE: {'model.neck.input_features': 1280, 'model.backbone.trainable_blocks': 0},
    CAE_LINEAR: {**LINEAR_FACTS, **CAE_ENCODER},
    CAE_LINEAR_LARGE: {**CAE_ENCODER, 'model.backbone.layer_scale_init': 1e-5},
    ATTENTIVE: ATTENTIVE_FACTS,
    ATTENTIVE_LARGE: {
        'model.neck.0': dict(type='AttentiveProbe', embed_dims=1024, num_heads=16),
        'model.neck.1': dict(type='ClsBatchNormNeck', input_features=1024, eps=1e-5),
    },
    CAE_ATTENTIVE: {**ATTENTIVE_FACTS, **CAE_ENCODER},
    CAE_ATTENTIVE_LARGE: {
        **CAE_ENCODER,
        'model.backbone.layer_scale_init': 1e-5,
        'model.neck.0': dict(type='AttentiveProbe', embed_dims=1024, num_heads=16),
        'model.neck.1': dict(type='ClsBatchNormNeck', input_features=1024, eps=1e-5),
    },
}

FINE_TUNING_ORDER = ['RandomResizedCrop', 'RandomFlip', 'TimmRandAugment', 'RandomErasing']
ORDERS = {
    CLASSIFY: FINE_TUNING_ORDER,
    MAE_LARGE: FINE_TUNING_ORDER,
    MAE_HUGE: FINE_TUNING_ORDER,
    MAE_HUGE_448: FINE_TUNING_ORDER,
    SCRATCH_BASE: FINE_TUNING_ORDER,
    CAE_BASE: FINE_TUNING_ORDER,
    CAE_JITTER: ['RandomResizedCrop', 'RandomFlip', 'ColorJitter', 'RandomErasing'],
    LINEAR: ['RandomClippedCrop', 'RandomFlip'],
    CAE_LINEAR: ['RandomClippedCrop', 'RandomFlip'],
    ATTENTIVE: ['RandomResizedCrop', 'RandomFlip'],
    CAE_ATTENTIVE: ['RandomResizedCrop', 'RandomFlip'],
}

RUNS: dict[str, list[str]] = {
    CLASSIFY: ['accuracy/top1'],
    PARTIAL_MLP: ['accuracy/top1'],
    SCRATCH_BASE: ['accuracy/top1'],
    CAE_BASE: ['accuracy/top1'],
    LINEAR: ['accuracy/top1'],
    CAE_ATTENTIVE: ['accuracy/top1'],
}
