"""CIFAR-10: model.py, mae_pretrain.py and train_classifier.py of IcarusWizard/MAE.

The recipes for a thousand pictures (MINI) are this project's own.
"""

from dataclasses import replace

from tests.configs_suite.curves import icarus
from tests.configs_suite.recipe import Curve, Recipe

PRETRAIN = 'cifar/mae_vit-tiny-p2_1xb4096-coslr-2000e_cifar10.py'
SCRATCH = 'cifar/vit-tiny-p2_1xb128-coslr-100e_cifar10.py'
FINETUNE = 'cifar/vit-tiny-p2_mae-pre_1xb128-coslr-100e_cifar10.py'
LINEAR = 'cifar/vit-tiny-p2_mae-pre_1xb128-linear-coslr-100e_cifar10.py'
MINI_PRETRAIN = 'cifar/mae_vit-mini-p4_1xb64-coslr-150e_cifarmini.py'
MINI_SCRATCH = 'cifar/vit-mini-p4_1xb64-coslr-15e_cifarmini.py'
MINI_FINETUNE = 'cifar/vit-mini-p4_mae-pre_1xb64-coslr-15e_cifarmini.py'
MINI_LINEAR = 'cifar/vit-mini-p4_mae-pre_1xb64-linear-coslr-15e_cifarmini.py'

CLASSIFIER = Recipe(
    batch=128,
    lr=5e-4,
    weight_decay=0.05,
    curve=Curve(icarus(5, 100), 100),
    no_decay=(),
    amp=False,
)
PRETRAINING = Recipe(
    batch=4096,
    lr=2.4e-3,
    weight_decay=0.05,
    curve=Curve(icarus(200, 2000), 2000),
    no_decay=(),
    betas=(0.9, 0.95),
    amp=False,
)
MINI = replace(
    CLASSIFIER,
    batch=64,
    lr=5e-4,
    curve=Curve(icarus(1.5, 15), 15),
)

RECIPES = {
    PRETRAIN: PRETRAINING,
    SCRATCH: CLASSIFIER,
    FINETUNE: CLASSIFIER,
    LINEAR: CLASSIFIER,
    MINI_PRETRAIN: replace(
        PRETRAINING,
        batch=64,
        lr=2e-3,
        curve=Curve(icarus(15, 150), 150),
    ),
    MINI_SCRATCH: MINI,
    MINI_FINETUNE: replace(MINI, lr=2e-3),
    MINI_LINEAR: replace(MINI, lr=1e-2),
}

ENCODER = {
    'model.backbone.arch': 'tiny',
    'model.backbone.img_size': 32,
    'model.backbone.patch_size': 2,
    'model.backbone.pos_embed': 'learned',
    'model.backbone.cls_pos_embed': False,
    'model.backbone.qkv_bias': False,
    'model.backbone.norm_eps': 1e-5,
    'model.backbone.linear_init': 'torch',
    'model.data_preprocessor.mean': [127.5, 127.5, 127.5],
    'model.data_preprocessor.std': [127.5, 127.5, 127.5],
    'train_pipeline': [{'type': 'PackInputs'}],
    'randomness.seed': 42,
}
CLASSIFY = {
    **ENCODER,
    'model.backbone.out_type': 'cls',
    'model.head.num_classes': 10,
    'model.head.loss.type': 'CrossEntropyLoss',
    'model.head.init_cfg': None,
    'test_pipeline': [{'type': 'PackInputs'}],
    'train_dataloader.batch_size': 128,
    'val_dataloader.dataset.data_prefix': 'test',
}

FACTS = {
    PRETRAIN: {
        **ENCODER,
        'model.mask_ratio': 0.75,
        'model.linear_init': 'torch',
        'model.skip_first_hidden': False,
        'model.neck.encoder_dims': 192,
        'model.neck.embed_dims': 192,
        'model.neck.num_layers': 4,
        'model.neck.num_heads': 3,
        'model.neck.grid': (16, 16),
        'model.neck.out_dims': 12,
        'model.neck.pos_order': 'learned',
        'model.neck.norm_eps': 1e-5,
        'model.neck.qkv_bias': False,
        'model.neck.input_layer': False,
        'model.neck.final_norm': False,
        'model.target_generator.norm_pix': False,
        'model.target_generator.channel_first': True,
        'train_dataloader.batch_size': 512,
        'optim_wrapper.accumulative_counts': 8,
    },
    SCRATCH: CLASSIFY,
    FINETUNE: CLASSIFY,
    LINEAR: {**CLASSIFY, 'model.backbone.frozen_stages': 12},
    MINI_LINEAR: {'model.backbone.frozen_stages': 4},
}

CROP_AND_FLIP = ['RandomCrop', 'RandomFlip']
ORDERS = {
    PRETRAIN: [],
    SCRATCH: [],
    MINI_PRETRAIN: CROP_AND_FLIP,
    MINI_SCRATCH: CROP_AND_FLIP,
    MINI_FINETUNE: CROP_AND_FLIP,
}

RUNS = {
    PRETRAIN: [],
    LINEAR: ['accuracy/top1'],
}
