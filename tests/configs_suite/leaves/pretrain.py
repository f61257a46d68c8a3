"""Pre-training on ImageNet: MAE and its ablations, CAE, and CAE's tokenizer."""

from tests.configs_suite.leaves.imagenet import (
    FLIP,
    LOAD,
    MEAN,
    NORMALIZE,
    PACK,
    STD,
    center_crop,
    images,
    random_size_crop,
    short_edge,
)
from tests.configs_suite.leaves.runtime import FSDP, PRETRAINING, run_of
from tests.configs_suite.leaves.schedules import cosine_alone, half_cosine, until
from tests.configs_suite.leaves.training import evaluation, optimizer
from tests.configs_suite.leaves.tree import Tree, change, combine
from tests.configs_suite.tables import cae, fsdp, pretrain

# Values that belong together share a line.
# fmt: off

PIPELINE = 'train_dataloader.dataset.pipeline'
SAVED = dict(interval=20, max_keep_ckpts=3)  # in epochs
NO_DECAY = ['1d', 'bias']  # the tokens, which are 3-D, are decayed


def accumulated(batch: int, steps: int) -> Tree:
    """Pictures of one pass on one GPU, and passes of a step."""
    return {'train_dataloader.batch_size': batch, 'optim_wrapper.accumulative_counts': steps}


# ---- MAE: Tables 3 and 8, models_mae.py, main_pretrain.py

MAE = combine(
    run_of('mmpretrain', 4096, PRETRAINING, **SAVED),
    half_cosine(800, 40, dict(eta_min=0.0)),
    dict(
        model=dict(
            type='MaskedAutoencoder',
            data_preprocessor=dict(type='SelfSupDataPreprocessor', **NORMALIZE),
            backbone=dict(
                type='PlainViT', arch='base', img_size=224, patch_size=16, pos_embed='sincos_xy'
            ),
            neck=dict(
                type='MAEDecoder', encoder_dims=768, grid=(14, 14), out_dims=768, embed_dims=512,
                num_layers=8, num_heads=16, pos_order='xy',
            ),
            target_generator=dict(type='PixelTarget', patch_size=16, norm_pix=True),
            head=dict(type='MaskedPatchLoss'), mask_ratio=0.75,
        ),
        train_dataloader=images('train', 512, 10, [LOAD, random_size_crop(0.2), FLIP, PACK]),
        optim_wrapper=optimizer(
            NO_DECAY, type='AdamW', lr=1.5e-4 * 4096 / 256, betas=(0.9, 0.95), eps=1e-8,
            weight_decay=0.05,
        ),
    ),
)
LARGE = {'model.backbone.arch': 'large', 'model.neck.encoder_dims': 1024, **accumulated(128, 4)}
ENCODERS: dict[str, Tree] = {
    'small-p16': {
        'model.backbone.arch': 'small', 'model.neck.encoder_dims': 384,
        'model.neck.embed_dims': 256, 'model.neck.num_heads': 8,
    },
    'base-p16': {},
    'large-p16': LARGE,
    'huge-p14': {
        'model.backbone.arch': 'huge', 'model.backbone.patch_size': 14,
        'model.neck.encoder_dims': 1280, 'model.neck.grid': (16, 16),
        'model.neck.out_dims': 14 * 14 * 3, 'model.target_generator.patch_size': 14,
        **accumulated(64, 8),
    },
}
LENGTHS: dict[int, Tree] = {400: until(400), 800: {}, 1600: until(1600)}

# Table 1: ViT-L and pixels without normalization, except where a row says otherwise.
ROW = change(MAE, LARGE, {'model.target_generator.norm_pix': False})
JITTER = dict(type='ColorJitter', brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)
FIXED_CROP = dict(type='RandomCrop', crop_size=224)
REPEATED = dict(type='MultiView', num_views=4, transforms=[[random_size_crop(0.2), FLIP]])
TOKENS = dict(  # 112 pixels, of which DALL-E's encoder makes 14 x 14 tokens
    type='TokenTarget', tokenizer=dict(type='DALL-E'), checkpoint='work_dirs/dalle_encoder.pth',
    image_mean=MEAN, image_std=STD, view_size=112,
)
PCA = dict(type='PCATarget', basis='work_dirs/patch-pca_in1k-p16.npz', num_coefficients=96)
HOG = dict(type='HOGTarget', patch_size=16, cell_size=8, num_bins=9)
ABLATIONS: dict[str, Tree] = {
    'pixel': {},
    'decoder-1x512': {'model.neck.num_layers': 1},
    'decoder-8x256': {'model.neck.embed_dims': 256},
    'mask-token': {'model.encoder_mask_token': True, **accumulated(64, 8)},
    'pca': {'model.target_generator': dict(PCA, patch_size=16), 'model.neck.out_dims': 96},
    'hog': {'model.target_generator': HOG, 'model.neck.out_dims': 2 * 2 * 3 * 9},
    'dvae': {
        'model.target_generator': TOKENS, 'model.neck.out_dims': 8192,
        'model.head.type': 'TokenLoss',
    },
    'block-50': {'model.masking': dict(type='BlockMasking'), 'model.mask_ratio': 0.5},
    'block-75': {'model.masking': dict(type='BlockMasking')},
    'grid-75': {'model.masking': dict(type='GridMasking')},
    'no-aug': {PIPELINE: center_crop(256, 224)},
    'fixed-crop': {PIPELINE: [LOAD, short_edge(256), FIXED_CROP, FLIP, PACK]},
    'color-jitter': {PIPELINE: [LOAD, random_size_crop(0.2), FLIP, JITTER, PACK]},
    'repeat-4': {  # 200 passes over the files show each picture 800 times
        PIPELINE: [LOAD, REPEATED, PACK], 'train_dataloader.batch_size': 32, **until(200, warm=10),
        'default_hooks.checkpoint.interval': 5,
    },
}

# ---- CAE: section 5.1 and the scripts of its released code

TWO_SIZES = dict(  # after the flip, which both views share
    type='TwoSizeCrop', scale=224, second_scale=112, crop_ratio_range=(0.08, 1.0),
    interpolation='bicubic', second_interpolation='lanczos',
)
CAE = combine(
    run_of('mmpretrain', 2048, PRETRAINING, **SAVED),
    half_cosine(300, 10, dict(eta_min_ratio=1e-5 / 1.5e-3), endpoint=True),  # NumPy's linspace
    dict(
        model=dict(
            type='ContextAutoencoder',
            data_preprocessor=dict(
                type='TwoNormDataPreprocessor', **NORMALIZE,
                second_mean=[-0.125 * 255] * 3,  # to DALL-E's .1 to .9
                second_std=[1.25 * 255] * 3,
            ),
            backbone=dict(
                type='PlainViT', arch='base', img_size=224, patch_size=16, pos_embed='sincos_yx',
                qkv_bias='no-key', layer_scale_init=0.1, drop_path_rate=0.1,
            ),
            neck=dict(
                type='ContextNeck', encoder_dims=768, grid=(14, 14), out_dims=8192, embed_dims=768,
                num_heads=12, regressor_layers=4, decoder_layers=4, layer_scale_init=0.1,
                drop_path_rate=0.1,
            ),
            target_generator=dict(
                type='TokenTarget', tokenizer=dict(type='DALL-E'),
                checkpoint='work_dirs/dalle_encoder.pth',
            ),
            head=dict(type='ContextLoss', reconstruction=dict(type='TokenLoss'), align_weight=2.0),
            mask_ratio=0.5, masking=dict(type='BlockMasking', min_block=16),
        ),
        train_dataloader=images('train', 256, 10, [LOAD, FLIP, TWO_SIZES, PACK]),
        optim_wrapper=optimizer(
            NO_DECAY, clip=3.0, type='AdamW', lr=1.5e-3, betas=(0.9, 0.999), eps=1e-8,
            weight_decay=0.05,
        ),
    ),
)


def twelve_heads(width: int) -> dict[str, int]:
    """CAE's narrow encoders: ViT-B's blocks and heads, another width."""
    return dict(embed_dims=width, num_layers=12, num_heads=12)


CAE_LARGE = {
    'model.backbone.arch': 'large', 'model.backbone.layer_scale_init': 1e-5,
    'model.neck.encoder_dims': 1024, **accumulated(128, 2),
}
WIDE_DECODER = {
    'model.neck.embed_dims': 1024, 'model.neck.num_heads': 16,
    'model.neck.layer_scale_init': 1e-5, 'model.linear_init': 'rescaled',
}
CAE_ENCODERS: dict[str, Tree] = {
    'tiny': {'model.backbone.arch': twelve_heads(192), 'model.neck.encoder_dims': 192},
    'small': {'model.backbone.arch': twelve_heads(384), 'model.neck.encoder_dims': 384},
    'base': {},
    'large': CAE_LARGE,
}
CAE_LENGTHS: dict[int, Tree] = {300: {}, 800: until(800, warm=20), 1600: until(1600, warm=40)}
DVAE = 'pretrain/dvae/dvae_conv-base-p8_8xb64-amp-ema-coslr-250k_in1k-112x112.py'
DVAE_SIZES = dict(num_codes=8192, embed_dims=512, hidden_dims=256, num_layers=3, num_blocks=2)
OWN_TOKENS = {
    'model.target_generator.tokenizer': dict(
        type='DiscreteVAE', head=dict(type='LogitLaplaceLikelihood'), **DVAE_SIZES
    ),
    'model.target_generator.checkpoint': (
        'work_dirs/dvae_conv-base-p8_8xb64-amp-ema-coslr-250k_in1k-112x112'
    ),
}
CAE_PIXELS = {
    'model.data_preprocessor': dict(type='SelfSupDataPreprocessor', **NORMALIZE),
    'model.neck.out_dims': 16 * 16 * 3,
    'model.target_generator': dict(type='PixelTarget', patch_size=16, norm_pix=False),
    'model.head.reconstruction.type': 'MaskedPatchLoss',
    PIPELINE: [LOAD, random_size_crop(0.08), FLIP, PACK],
}

# ---- the tokenizer: Ramesh et al. 2021, appendix A.2, on ImageNet

TOKENIZER = combine(
    run_of(
        'mmpretrain', 512, PRETRAINING,
        hooks=(
            dict(type='AnnealHook', name='temperature', start=1.0, end=1 / 16, length=150000),
            dict(type='AnnealHook', name='kl_weight', start=0.0, end=6.6, length=5000),
            dict(type='EMAHook', momentum=0.001),  # 1 - .999
            dict(type='TokenizerReconstructionHook', num_images=8, interval=10000),
        ),
        encoder=False, interval=10000, max_keep_ckpts=3, by_epoch=False,
    ),
    cosine_alone(250000, lowest=1.25e-6),
    evaluation(
        images('val', 64, 8, center_crop(128, 112, 'lanczos')),
        type='TokenizerMetric', num_codes=8192,
    ),
    dict(
        model=dict(type='DiscreteVAE', head=dict(type='LogitLaplaceLikelihood'), **DVAE_SIZES),
        train_dataloader=images(
            'train', 64, 8, [LOAD, random_size_crop(0.08, 112, 'lanczos'), FLIP, PACK], endless=True
        ),
        train_cfg=dict(val_interval=10000), log_processor=dict(by_epoch=False),
        optim_wrapper=optimizer(
            [], type='AdamW', lr=1e-4, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-4
        ),
    ),
)

RECIPES = {
    **{
        pretrain.path(arch, length): change(MAE, ENCODERS[arch], LENGTHS[length])
        for arch in ENCODERS
        for length in LENGTHS
    },
    **{
        fsdp.sharded(pretrain.path(arch, 800)): change(MAE, ENCODERS[arch], FSDP)
        for arch in ('large-p16', 'huge-p14')
    },
    **{pretrain.ABLATIONS[row]: change(ROW, ABLATIONS[row]) for row in ABLATIONS},
    **{
        cae.path(arch, length): change(CAE, CAE_ENCODERS[arch], CAE_LENGTHS[length])
        for arch in CAE_ENCODERS
        for length in CAE_LENGTHS
    },
    **{
        cae.path('base', length, 'dvae'): change(CAE, OWN_TOKENS, CAE_LENGTHS[length])
        for length in CAE_LENGTHS
    },
    cae.path('base', 300, 'pixel'): change(CAE, CAE_PIXELS),
    cae.path('base', 300, 'norm-pixel'): change(
        CAE, CAE_PIXELS, {'model.target_generator.norm_pix': True}
    ),
    cae.LARGE_INTENDED: change(CAE, CAE_LARGE, CAE_LENGTHS[1600], WIDE_DECODER),
    DVAE: TOKENIZER,
}
