"""CAE: Chen et al. 2022, and what its released code and scripts end up with."""

from tests.configs_suite import curves
from tests.configs_suite.recipe import Curve, Recipe

ARCHS = ('tiny', 'small', 'base', 'large')
LENGTHS = (300, 800, 1600)
WARM_UP = {300: 10, 800: 20, 1600: 40}


def path(arch: str, epochs: int, variant: str = '') -> str:
    """The config of an encoder, a length and a variant."""
    variant = variant and f'_{variant}'
    return f'pretrain/cae/cae_vit-{arch}-p16{variant}_8xb256-amp-coslr-{epochs}e_in1k.py'


def cae(epochs: int) -> Recipe:
    """The one recipe of CAE's pre-training: 1.5e-3 as it is, whatever the batch."""
    curve = Curve.of_epochs(curves.beit, WARM_UP[epochs], epochs, 1e-5 / 1.5e-3)
    return Recipe(2048, 1.5e-3, 0.05, curve, drop_path=0.1, clip_grad=3.0)


# What a part of a config's name says of it.
VARIANTS = {
    'dvae': {'model.target_generator.tokenizer.type': 'DiscreteVAE'},
    'pixel': {'model.target_generator.norm_pix': False},
    'norm-pixel': {'model.target_generator.norm_pix': True},
    'decoder-1024': {'model.neck.embed_dims': 1024},
}
SHARED_VARIANTS = {'dvae'}  # the demo's tokenizer, too
LARGE_INTENDED = path('large', 1600, 'decoder-1024')

RECIPES = {
    **{path(arch, epochs): cae(epochs) for arch in ARCHS for epochs in LENGTHS},
    **{path('base', epochs, 'dvae'): cae(epochs) for epochs in LENGTHS},
    **{path('base', 300, variant): cae(300) for variant in ('pixel', 'norm-pixel')},
    LARGE_INTENDED: cae(1600),
}

NORMALIZATION = {
    'model.data_preprocessor.mean': [123.675, 116.28, 103.53],
    'model.data_preprocessor.std': [58.395, 57.12, 57.375],
    'model.data_preprocessor.to_rgb': True,
}
MODEL = {
    'model.type': 'ContextAutoencoder',
    'model.mask_ratio': 0.5,
    'model.masking.type': 'BlockMasking',
    'model.masking.min_block': 16,
    'model.backbone.img_size': 224,
    'model.backbone.patch_size': 16,
    'model.backbone.pos_embed': 'sincos_yx',
    'model.backbone.qkv_bias': 'no-key',
    'model.backbone.drop_path_rate': 0.1,
    'model.neck.grid': (14, 14),
    'model.neck.regressor_layers': 4,
    'model.neck.decoder_layers': 4,
    'model.neck.embed_dims': 768,
    'model.neck.num_heads': 12,
    'model.neck.layer_scale_init': 0.1,
    'model.neck.drop_path_rate': 0.1,
    'model.head.align_weight': 2.0,
}
TOKENS = {
    'model.data_preprocessor.type': 'TwoNormDataPreprocessor',
    'model.data_preprocessor.second_mean': [-31.875] * 3,
    'model.data_preprocessor.second_std': [318.75] * 3,
    'model.neck.out_dims': 8192,
    'model.target_generator.type': 'TokenTarget',
    'model.head.reconstruction.type': 'TokenLoss',
    'train_pipeline.RandomFlip.prob': 0.5,
    'train_pipeline.TwoSizeCrop.scale': 224,
    'train_pipeline.TwoSizeCrop.second_scale': 112,
    'train_pipeline.TwoSizeCrop.crop_ratio_range': (0.08, 1.0),
    'train_pipeline.TwoSizeCrop.interpolation': 'bicubic',
    'train_pipeline.TwoSizeCrop.second_interpolation': 'lanczos',
}
DALL_E = {'model.target_generator.tokenizer.type': 'DALL-E'}
LOADER = {'train_dataloader.drop_last': True, 'train_dataloader.batch_size': 256}
HALVES = {'train_dataloader.batch_size': 128, 'optim_wrapper.accumulative_counts': 2}
PIXELS = {
    **NORMALIZATION,
    **MODEL,
    **LOADER,
    'model.data_preprocessor.type': 'SelfSupDataPreprocessor',
    'model.neck.out_dims': 768,
    'model.target_generator.patch_size': 16,
    'model.head.reconstruction.type': 'MaskedPatchLoss',
    'train_pipeline.RandomFlip.prob': 0.5,
    'train_pipeline.RandomResizedCrop.scale': 224,
    'train_pipeline.RandomResizedCrop.crop_ratio_range': (0.08, 1.0),
    'train_pipeline.RandomResizedCrop.interpolation': 'bicubic',
    'train_pipeline.RandomResizedCrop.backend': 'pillow',
}


def encoder(arch: str | dict, width: int, layer_scale: float) -> dict:
    """Facts of a recipe with DALL-E's tokens; only the encoder differs."""
    return {
        **NORMALIZATION,
        **MODEL,
        **TOKENS,
        **DALL_E,
        'model.backbone.arch': arch,
        'model.backbone.layer_scale_init': layer_scale,
        'model.neck.encoder_dims': width,
    }


FACTS = {
    path('tiny', 300): {
        **encoder(dict(embed_dims=192, num_layers=12, num_heads=12), 192, 0.1),
        **LOADER,
    },
    path('small', 300): {
        **encoder(dict(embed_dims=384, num_layers=12, num_heads=12), 384, 0.1),
        **LOADER,
    },
    path('base', 300): {**encoder('base', 768, 0.1), **LOADER},
    path('large', 300): {**encoder('large', 1024, 1e-5), **HALVES},
    LARGE_INTENDED: {
        **encoder('large', 1024, 1e-5),
        **HALVES,
        'model.neck.embed_dims': 1024,
        'model.neck.num_heads': 16,
        'model.neck.layer_scale_init': 1e-5,
        'model.linear_init': 'rescaled',
        'train_cfg.max_epochs': 1600,
    },
    path('base', 300, 'dvae'): {
        **NORMALIZATION,
        **MODEL,
        **TOKENS,
        **LOADER,
        'model.target_generator.tokenizer.num_codes': 8192,
        'model.target_generator.tokenizer.num_layers': 3,
    },
    path('base', 300, 'pixel'): {**PIXELS, 'model.target_generator.norm_pix': False},
    path('base', 300, 'norm-pixel'): {**PIXELS, 'model.target_generator.norm_pix': True},
    **{path(arch, n): {'train_cfg.max_epochs': n} for arch in ARCHS for n in (800, 1600)},
    **{path('base', n, 'dvae'): {'train_cfg.max_epochs': n} for n in (800, 1600)},
}

# The flip comes first: it is one for both views.
ORDERS = {
    path('base', 300): ['RandomFlip', 'TwoSizeCrop'],
    path('base', 300, 'dvae'): ['RandomFlip', 'TwoSizeCrop'],
    path('base', 300, 'pixel'): ['RandomResizedCrop', 'RandomFlip'],
}

RUNS: dict[str, list[str]] = {path('base', 300): []}
