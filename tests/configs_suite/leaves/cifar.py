"""CIFAR-10: IcarusWizard/MAE, and this project's own recipes for a thousand pictures."""

from tests.configs_suite.leaves.runtime import CLASSIFICATION, PRETRAINING, run_of
from tests.configs_suite.leaves.schedules import under_cosine
from tests.configs_suite.leaves.training import COLLATE, both, evaluation, loader, optimizer
from tests.configs_suite.leaves.tree import Tree, change, combine
from tests.configs_suite.tables import cifar as paths

# Values that belong together share a line.
# fmt: off

LR = 'optim_wrapper.optimizer.lr'
PIPELINE = 'train_dataloader.dataset.pipeline'
PACK = dict(type='PackInputs')
# The tensors' own range, -1 to 1; pictures are read as RGB.
NORMALIZE = dict(mean=[127.5] * 3, std=[127.5] * 3, to_rgb=False)


def pictures(split: str, batch: int) -> Tree:
    """Loader of a split; pictures are not augmented."""
    dataset = dict(type='SmallImages', data_root='data/cifar10', data_prefix=split)
    train = split == 'train'
    return loader(batch, 4, dataset, [PACK], train, persistent_workers=True, **COLLATE)


def adamw(lr: float, betas: tuple[float, float]) -> Tree:
    """AdamW in full precision, which decays everything."""
    return optimizer([], amp=False, type='AdamW', lr=lr, betas=betas, weight_decay=0.05)


# timm's Block as it is by default: no bias of q, k and v, PyTorch's eps and initialization.
ENCODER = dict(
    type='PlainViT', arch='tiny', img_size=32, patch_size=2, pos_embed='learned',
    cls_pos_embed=False, qkv_bias=False, norm_eps=1e-5, linear_init='torch',
)
PRETRAIN = combine(
    run_of(
        'mmpretrain', 4096, PRETRAINING,
        hooks=(dict(type='ReconstructionHook', num_images=16, interval=980),),
        seed=42, interval=100, max_keep_ckpts=3,
    ),
    under_cosine(2000, 200),
    dict(
        model=dict(
            type='MaskedAutoencoder',
            data_preprocessor=dict(type='SelfSupDataPreprocessor', **NORMALIZE),
            backbone=ENCODER,
            neck=dict(
                type='MAEDecoder', encoder_dims=192, grid=(16, 16), out_dims=2 * 2 * 3,
                embed_dims=192, num_layers=4, num_heads=3, pos_order='learned', norm_eps=1e-5,
                qkv_bias=False, input_layer=False, final_norm=False,
            ),
            target_generator=dict(
                type='PixelTarget', patch_size=2, norm_pix=False, channel_first=True
            ),
            head=dict(type='MaskedPatchLoss'), mask_ratio=0.75, linear_init='torch',
            skip_first_hidden=False,
        ),
        train_dataloader=pictures('train', 512),
        optim_wrapper=dict(adamw(1.5e-4 * 4096 / 256, (0.9, 0.95)), accumulative_counts=8),
    ),
)
CLASSIFY = combine(
    run_of(
        'mmpretrain', 128, CLASSIFICATION,
        seed=42, interval=1, max_keep_ckpts=1, save_best='accuracy/top1',
    ),
    under_cosine(100, 5),
    evaluation(pictures('test', 128), type='Accuracy', topk=(1, 5)),
    dict(
        model=dict(
            type='ImageClassifier',
            data_preprocessor=dict(type='ClsDataPreprocessor', num_classes=10, **NORMALIZE),
            backbone=dict(ENCODER, out_type='cls'), neck=None,
            head=dict(
                type='LinearClsHead', in_channels=192, num_classes=10,
                loss=dict(type='CrossEntropyLoss'), init_cfg=None,
            ),
        ),
        train_dataloader=pictures('train', 128), train_cfg=dict(val_interval=1),
        optim_wrapper=adamw(1e-3 * 128 / 256, (0.9, 0.999)),
    ),
)


def loads(run: str) -> Tree:
    """Weights of one of our own runs."""
    init_cfg = dict(type='PretrainedViT', checkpoint=f'work_dirs/{run}')
    return {'model.backbone.init_cfg': init_cfg}


# A thousand pictures, an encoder of four blocks on patches of 4 x 4 pixels, crops and flips.
MINI = {
    'model.backbone.arch': dict(embed_dims=128, num_layers=4, num_heads=4),
    'model.backbone.patch_size': 4, 'train_dataloader.batch_size': 64,
    'train_dataloader.num_workers': 1, 'train_dataloader.dataset.data_root': 'data/cifar-mini',
    PIPELINE: [
        dict(type='RandomCrop', crop_size=32, padding=4),
        dict(type='RandomFlip', prob=0.5),
        PACK,
    ],
    'auto_scale_lr.base_batch_size': 64, 'randomness.seed': 0,
}
MINI_PRETRAIN = change(
    PRETRAIN, MINI,
    {
        'model.neck.encoder_dims': 128, 'model.neck.grid': (8, 8), 'model.neck.out_dims': 4 * 4 * 3,
        'model.neck.embed_dims': 64, 'model.neck.num_layers': 2, 'model.neck.num_heads': 4,
        'model.neck.input_layer': True, 'model.neck.final_norm': True,
        'model.target_generator.patch_size': 4, 'model.target_generator.norm_pix': True, LR: 2e-3,
        'optim_wrapper.accumulative_counts': 1, 'param_scheduler.0.warmup': 15,
        'param_scheduler.0.end': 150, 'train_cfg.max_epochs': 150,
        'default_hooks.checkpoint.interval': 150, 'custom_hooks.2.interval': 240,
    },
)
MINI_CLASSIFY = change(
    CLASSIFY, MINI,
    {
        'model.head.in_channels': 128,
        **both({'num_workers': 1, 'dataset.data_root': 'data/cifar-mini'}),
        'param_scheduler.0.warmup': 1.5, 'param_scheduler.0.end': 15, 'train_cfg.max_epochs': 15,
        'train_cfg.val_interval': 15, 'default_hooks.checkpoint.interval': 15,
        'default_hooks.checkpoint.max_keep_ckpts': 3, 'custom_imports.imports': ['mae_transfer'],
    },
    without=['default_hooks.checkpoint.save_best'],
)
FINETUNE = change(CLASSIFY, loads('mae_vit-tiny-p2_1xb4096-coslr-2000e_cifar10'))
MINI_FINETUNE = change(
    MINI_CLASSIFY, loads('mae_vit-mini-p4_1xb64-coslr-150e_cifarmini'), {LR: 2e-3}
)

RECIPES = {
    paths.PRETRAIN: PRETRAIN,
    paths.SCRATCH: CLASSIFY,
    paths.FINETUNE: FINETUNE,
    paths.LINEAR: change(FINETUNE, {'model.backbone.frozen_stages': 12}),
    paths.MINI_PRETRAIN: MINI_PRETRAIN,
    paths.MINI_SCRATCH: MINI_CLASSIFY,
    paths.MINI_FINETUNE: MINI_FINETUNE,
    paths.MINI_LINEAR: change(MINI_FINETUNE, {LR: 1e-2, 'model.backbone.frozen_stages': 4}),
}
