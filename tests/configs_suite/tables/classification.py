"""Classification: tables 9 to 11 of MAE, FINETUNE.md of its code, and CAE."""

from tests.configs_suite.curves import warm_up_cosine
from tests.configs_suite.recipe import Curve, Recipe

CLASSIFY = 'classification/vit-base-p16_mae-pre_8xb128-amp-coslr-100e_in1k.py'


RECIPES = {
    CLASSIFY: Recipe(
        batch=1024,
        lr=2e-3,
        weight_decay=0.05,
        curve=Curve(warm_up_cosine(5, 100, 1e-6 / 2e-3), 100, 5, 20),
        layer_decay=0.65,
        drop_path=0.1,
        no_decay=('1d', 'pos_embed', 'cls_token'),
    ),
}

FACTS = {
    CLASSIFY: {
        'train_cfg.max_epochs': 100,
        'model.backbone.out_type': 'avg',
        'model.backbone.pos_embed': 'learned',
        'model.head.num_classes': 1000,
        'model.head.loss.label_smooth_val': 0.1,
        'model.head.loss.mode': 'original',
        'model.head.init_cfg.type': 'TruncNormal',
        'model.head.init_cfg.std': 2e-5,
        'model.train_cfg.augments.0.type': 'Mixup',
        'model.train_cfg.augments.0.alpha': 0.8,
        'model.train_cfg.augments.1.type': 'CutMix',
        'model.train_cfg.augments.1.alpha': 1.0,
        'train_pipeline.RandomResizedCrop.scale': 224,
        'train_pipeline.RandomResizedCrop.crop_ratio_range': (0.08, 1.0),
        'train_pipeline.RandomResizedCrop.interpolation': 'bicubic',
        'train_pipeline.RandAugment.policies': 'timm_increasing',
        'train_pipeline.RandAugment.num_policies': 2,
        'train_pipeline.RandAugment.magnitude_level': 9,
        'train_pipeline.RandAugment.magnitude_std': 0.5,
        'train_pipeline.RandAugment.hparams.pad_val': [104, 116, 124],
        'train_pipeline.RandAugment.hparams.interpolation': 'bicubic',
        'train_pipeline.RandomErasing.erase_prob': 0.25,
        'train_pipeline.RandomErasing.mode': 'rand',
        'test_pipeline.ResizeEdge.scale': 256,
        'test_pipeline.ResizeEdge.edge': 'short',
        'test_pipeline.ResizeEdge.interpolation': 'bicubic',
        'test_pipeline.CenterCrop.crop_size': 224,
    },
}

ORDERS = {
    CLASSIFY: ['RandomResizedCrop', 'RandomFlip', 'RandAugment', 'RandomErasing'],
}

RUNS: dict[str, list[str]] = {
    CLASSIFY: ['accuracy/top1'],
}
