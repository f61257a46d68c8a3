"""MAE: He et al. 2021, tables 1, 3 and 8, and the released code."""

from tests.configs_suite import curves
from tests.configs_suite.recipe import Curve, Recipe

MAE_800 = 'pretrain/mae/mae_vit-base-p16_8xb512-amp-coslr-800e_in1k.py'
ARCHS = ('small-p16', 'base-p16', 'large-p16', 'huge-p14')
LENGTHS = (400, 800, 1600)


def path(arch: str, epochs: int) -> str:
    """The config of an encoder and a length."""
    return f'pretrain/mae/mae_vit-{arch}_8xb512-amp-coslr-{epochs}e_in1k.py'


def ablation(variant: str, epochs: int = 800) -> str:
    """The config of a row of the ablations, all with ViT-L/16."""
    name = f'mae_vit-large-p16_{variant}_8xb512-amp-coslr-{epochs}e_in1k.py'
    return f'pretrain/mae/ablation/{name}'


def mae(epochs: int, warm: int = 40) -> Recipe:
    """The one recipe of MAE's pre-training; its encoders and lengths differ, nothing else."""
    curve = Curve.of_epochs(curves.mae, warm, epochs)
    return Recipe(4096, 1.5e-4 * 4096 / 256, 0.05, curve, betas=(0.9, 0.95))


# What a part of a config's name says of it. No other config of MAE is like that.
VARIANTS = {
    'pixel': {'model.target_generator.norm_pix': False},
    'decoder-1x512': {'model.neck.num_layers': 1, 'model.neck.embed_dims': 512},
    'decoder-8x256': {
        'model.neck.num_layers': 8,
        'model.neck.embed_dims': 256,
        'model.neck.num_heads': 16,  # ViT-S has a decoder of this width with 8
    },
    'mask-token': {'model.encoder_mask_token': True},
    'pca': {'model.target_generator.type': 'PCATarget'},
    'hog': {'model.target_generator.type': 'HOGTarget'},
    'dvae': {'model.target_generator.type': 'TokenTarget'},
    'block-50': {'model.masking.type': 'BlockMasking', 'model.mask_ratio': 0.5},
    'block-75': {'model.masking.type': 'BlockMasking', 'model.mask_ratio': 0.75},
    'grid-75': {'model.masking.type': 'GridMasking', 'model.mask_ratio': 0.75},
    'no-aug': {'train_pipeline.CenterCrop.crop_size': 224},
    'fixed-crop': {'train_pipeline.RandomCrop.crop_size': 224},
    'color-jitter': {'train_pipeline.ColorJitter.type': 'ColorJitter'},
    'repeat-4': {'train_pipeline.MultiView.num_views': 4},
}
SHARED_VARIANTS = {'pixel'}  # the target of all ablations but those of the target
REPEAT = ablation('repeat-4', 200)
ABLATIONS = {
    variant: REPEAT if variant == 'repeat-4' else ablation(variant) for variant in VARIANTS
}

RECIPES = {
    **{path(arch, epochs): mae(epochs) for arch in ARCHS for epochs in LENGTHS},
    **{config: mae(800) for config in ABLATIONS.values()},
    REPEAT: mae(200, 10),  # passes over the files, each with four samples of a picture
}

NORMALIZATION = {
    'model.data_preprocessor.mean': [123.675, 116.28, 103.53],
    'model.data_preprocessor.std': [58.395, 57.12, 57.375],
    'model.data_preprocessor.to_rgb': True,
}
RANDOM_SIZE_CROP = {
    'scale': 224,
    'crop_ratio_range': (0.2, 1.0),
    'interpolation': 'bicubic',
    'backend': 'pillow',
}
ENCODER = {
    'model.backbone.img_size': 224,
    'model.backbone.pos_embed': 'sincos_xy',
    'model.neck.pos_order': 'xy',
}
EDGE = {
    'train_pipeline.ResizeEdge.scale': 256,
    'train_pipeline.ResizeEdge.edge': 'short',
    'train_pipeline.ResizeEdge.interpolation': 'bicubic',
}


def model_facts(
    arch: str, grid: int, encoder_dims: int, out_dims: int, decoder: tuple[int, int, int]
) -> dict:
    """Sizes of the encoder and the decoder (blocks, width, heads)."""
    num_layers, embed_dims, num_heads = decoder
    return {
        **ENCODER,
        'model.backbone.arch': arch,
        'model.neck.encoder_dims': encoder_dims,
        'model.neck.grid': (grid, grid),
        'model.neck.out_dims': out_dims,
        'model.neck.num_layers': num_layers,
        'model.neck.embed_dims': embed_dims,
        'model.neck.num_heads': num_heads,
        'model.target_generator.norm_pix': True,
        'model.mask_ratio': 0.75,
    }


def facts_of_variant(variant: str) -> dict:
    """Besides what the name says: plain pixels, unless the target is another."""
    facts = dict(VARIANTS[variant])
    if variant not in ('pca', 'hog', 'dvae'):
        facts['model.target_generator.norm_pix'] = False
    return facts


FACTS = {
    MAE_800: {
        **NORMALIZATION,
        **model_facts('base', 14, 768, 768, (8, 512, 16)),
        'model.type': 'MaskedAutoencoder',
        'train_cfg.max_epochs': 800,
        'train_dataloader.drop_last': True,
        'train_dataloader.batch_size': 512,
        'train_pipeline.RandomFlip.prob': 0.5,
        **{f'train_pipeline.RandomResizedCrop.{k}': v for k, v in RANDOM_SIZE_CROP.items()},
    },
    path('small-p16', 800): model_facts('small', 14, 384, 768, (8, 256, 8)),
    path('large-p16', 800): {
        **model_facts('large', 14, 1024, 768, (8, 512, 16)),
        'train_dataloader.batch_size': 128,
        'optim_wrapper.accumulative_counts': 4,
    },
    path('huge-p14', 800): {
        **model_facts('huge', 16, 1280, 588, (8, 512, 16)),
        'model.backbone.patch_size': 14,
        'model.target_generator.patch_size': 14,
        'train_dataloader.batch_size': 64,
        'optim_wrapper.accumulative_counts': 8,
    },
    **{path(arch, n): {'train_cfg.max_epochs': n} for arch in ARCHS for n in (400, 1600)},
    **{config: facts_of_variant(variant) for variant, config in ABLATIONS.items()},
}
FACTS[ABLATIONS['pca']] |= {
    'model.target_generator.num_coefficients': 96,
    'model.target_generator.patch_size': 16,
    'model.neck.out_dims': 96,
}
FACTS[ABLATIONS['hog']] |= {
    'model.target_generator.num_bins': 9,
    'model.target_generator.cell_size': 8,
    'model.neck.out_dims': 108,
}
FACTS[ABLATIONS['dvae']] |= {
    'model.target_generator.tokenizer.type': 'DALL-E',
    'model.target_generator.image_mean': [123.675, 116.28, 103.53],
    'model.target_generator.image_std': [58.395, 57.12, 57.375],
    'model.target_generator.view_size': 112,
    'model.head.type': 'TokenLoss',
    'model.neck.out_dims': 8192,
}
FACTS[ABLATIONS['no-aug']] |= EDGE
FACTS[ABLATIONS['fixed-crop']] |= {**EDGE, 'train_pipeline.RandomFlip.prob': 0.5}
FACTS[ABLATIONS['color-jitter']] |= {
    'train_pipeline.RandomFlip.prob': 0.5,
    'train_pipeline.ColorJitter.brightness': 0.4,
    'train_pipeline.ColorJitter.contrast': 0.4,
    'train_pipeline.ColorJitter.saturation': 0.4,
    'train_pipeline.ColorJitter.hue': 0.1,
    **{f'train_pipeline.RandomResizedCrop.{k}': v for k, v in RANDOM_SIZE_CROP.items()},
}
FACTS[REPEAT] |= {
    'train_cfg.max_epochs': 200,
    'train_dataloader.batch_size': 32,
    'optim_wrapper.accumulative_counts': 4,
    'train_pipeline.MultiView.transforms.0.1.prob': 0.5,
    **{f'train_pipeline.MultiView.transforms.0.0.{k}': v for k, v in RANDOM_SIZE_CROP.items()},
}

ORDERS = {
    MAE_800: ['RandomResizedCrop', 'RandomFlip'],
    ABLATIONS['no-aug']: [],
    ABLATIONS['fixed-crop']: ['RandomCrop', 'RandomFlip'],
    ABLATIONS['color-jitter']: ['RandomResizedCrop', 'RandomFlip', 'ColorJitter'],
}

RUNS: dict[str, list[str]] = {
    MAE_800: [],
    ABLATIONS['mask-token']: [],
    ABLATIONS['dvae']: [],
    REPEAT: [],
}
