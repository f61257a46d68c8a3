"""MAE: He et al. 2021, tables 3 and 8, and the released code."""

from tests.configs_suite.curves import warm_up_cosine
from tests.configs_suite.recipe import Curve, Recipe

MAE_800 = 'pretrain/mae/mae_vit-base-p16_8xb512-amp-coslr-800e_in1k.py'
MAE_1600 = 'pretrain/mae/mae_vit-base-p16_8xb512-amp-coslr-1600e_in1k.py'


def mae(epochs: int) -> Recipe:
    """The one recipe of MAE's pre-training; its encoders and lengths differ, nothing else."""
    curve = Curve(warm_up_cosine(40, epochs), epochs, 40, 2)
    return Recipe(4096, 1.5e-4 * 4096 / 256, 0.05, curve, betas=(0.9, 0.95))


RECIPES = {
    MAE_800: mae(800),
    MAE_1600: mae(1600),
}

FACTS = {
    MAE_800: {
        'train_cfg.max_epochs': 800,
        'model.type': 'MaskedAutoencoder',
        'model.mask_ratio': 0.75,
        'model.data_preprocessor.to_rgb': True,
        'model.backbone.img_size': 224,
        'model.backbone.pos_embed': 'sincos_xy',
        'model.neck.pos_order': 'xy',
        'model.neck.encoder_dims': 768,
        'model.neck.grid': (14, 14),
        'model.neck.out_dims': 768,
        'model.neck.embed_dims': 512,
        'model.neck.num_layers': 8,
        'model.neck.num_heads': 16,
        'model.target_generator.norm_pix': True,
        'train_dataloader.drop_last': True,
        'train_pipeline.RandomResizedCrop.scale': 224,
        'train_pipeline.RandomResizedCrop.crop_ratio_range': (0.2, 1.0),
        'train_pipeline.RandomResizedCrop.interpolation': 'bicubic',
        'train_pipeline.RandomResizedCrop.backend': 'pillow',
        'train_pipeline.RandomFlip.prob': 0.5,
    },
    MAE_1600: {'train_cfg.max_epochs': 1600},
}

ORDERS = {
    MAE_800: ['RandomResizedCrop', 'RandomFlip'],
}

RUNS: dict[str, list[str]] = {
    MAE_800: [],
}
