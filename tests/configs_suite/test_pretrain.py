"""Pre-training: lengths differ in nothing else, ablations change one knob, every row is there."""

import re

import pytest
import torch

from tests.configs_suite.reading import CONFIGS, load, plain, states
from tests.configs_suite.tables.pretrain import ABLATIONS, ARCHS, path
from tests.configs_suite.tiny_models import build_model, tiny_model

LARGE = path('large-p16', 800)
PIXEL = ABLATIONS['pixel']
TARGET = 'model.target_generator'

# Keys that an ablation sets differently from the recipe of 800 epochs, besides the target's norm.
KNOBS = {
    'pixel': [],
    'decoder-1x512': ['model.neck.num_layers'],
    'decoder-8x256': ['model.neck.embed_dims'],
    'mask-token': [
        'model.encoder_mask_token',
        'optim_wrapper.accumulative_counts',
        'train_dataloader.batch_size',
    ],
    'pca': ['model.neck.out_dims', TARGET],
    'hog': ['model.neck.out_dims', TARGET],
    'dvae': ['model.head', 'model.neck.out_dims', TARGET],
    'block-50': ['model.mask_ratio', 'model.masking'],
    'block-75': ['model.masking'],
    'grid-75': ['model.masking'],
    'no-aug': ['train_dataloader.dataset.pipeline'],
    'fixed-crop': ['train_dataloader.dataset.pipeline'],
    'color-jitter': ['train_dataloader.dataset.pipeline'],
    'repeat-4': [
        'default_hooks.checkpoint.interval',
        'param_scheduler',
        'train_cfg.max_epochs',
        'train_dataloader.batch_size',
        'train_dataloader.dataset.pipeline',
    ],
}
VARIABLES = {
    *('max_epochs', 'repeats', 'warm_up_epochs', 'train_pipeline', 'patch_size', 'cell_size'),
    'num_bins',
}


def read(config: str) -> dict:
    """What a run reads: the config without the variables of its files."""
    content = plain(load(config)._cfg_dict)
    return {key: value for key, value in content.items() if key not in VARIABLES}


def differences(one: object, other: object, prefix: str = '') -> list[str]:
    """Dotted keys that two configs do not share; a block of another type counts as one."""
    both = isinstance(one, dict) and isinstance(other, dict)
    if not both or one.get('type') != other.get('type'):
        return [] if one == other else [prefix.removeprefix('.')]
    keys = sorted(set(one) | set(other))
    return [
        key
        for name in keys
        for key in differences(one.get(name), other.get(name), f'{prefix}.{name}')
    ]


@pytest.mark.parametrize('arch', ARCHS)
@pytest.mark.parametrize('epochs', [400, 1600])
def test_lengths__differ_in_nothing_else(arch, epochs):
    reference, other = read(path(arch, 800)), read(path(arch, epochs))
    assert differences(reference, other) == ['param_scheduler', 'train_cfg.max_epochs']
    warm_up, cosine = other['param_scheduler']
    assert warm_up == reference['param_scheduler'][0]
    assert cosine == {**reference['param_scheduler'][1], 'end': epochs}


@pytest.mark.parametrize('variant', ABLATIONS)
def test_ablation__changes_one_knob(variant):
    norm = [] if TARGET in KNOBS[variant] else [f'{TARGET}.norm_pix']
    found = differences(read(LARGE), read(ABLATIONS[variant]))
    assert found == sorted([*KNOBS[variant], *norm])


@pytest.mark.parametrize(
    ('arch', 'encoder', 'decoder'),
    [
        ('small-p16', 21_665_664, 6_665_216),
        ('base-p16', 85_798_656, 26_109_184),
        ('large-p16', 303_301_632, 26_240_256),
        ('huge-p14', 630_764_800, 26_309_708),
    ],
)
def test_model__has_as_many_parameters_as_the_published_one(arch, encoder, decoder):
    """With the frozen positions; counted from MAE's code, ViT-S from CrossMAE's."""
    cfg = load(path(arch, 800))
    with torch.device('meta'):
        model = build_model(cfg)
    for part, count in ((model.backbone, encoder), (model.neck, decoder)):
        assert sum(parameter.numel() for parameter in part.parameters()) == count


# ---- rows that an option reaches: the page and the heads of the configs list them


@pytest.mark.parametrize('depth', [2, 4, 12])
def test_decoder_depth__by_option(depth):
    model = tiny_model(ABLATIONS['decoder-1x512'], model__neck__num_layers=depth)
    assert len(model.neck.decoder_blocks) == depth


@pytest.mark.parametrize('width', [128, 256, 512, 768, 1024])
def test_decoder_width__by_option(width):
    """With the 16 heads of the recipe."""
    options = dict(model__neck__embed_dims=width, model__neck__num_heads=16)
    model = tiny_model(ABLATIONS['decoder-8x256'], **options)
    loss = model.loss(torch.randn(2, 3, 32, 32))['loss']
    loss.backward()
    assert model.neck.mask_token.shape[-1] == width and loss.isfinite()


@pytest.mark.parametrize('ratio', [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9])
def test_mask_ratio__by_option(ratio):
    model = tiny_model(PIXEL, model__mask_ratio=ratio)
    _, mask = model.predict_patches(torch.randn(2, 3, 224, 224))
    assert (mask.sum(1) == 196 - int(196 * (1 - ratio))).all()


def test_page__names_only_options_that_the_configs_have():
    """Every `--cfg-options key=value` of the page replaces a value of the recipe of ViT-L."""
    page = (CONFIGS / 'pretrain/mae/README.md').read_text()
    options = re.findall(
        r'(?:model|optim_wrapper|train_dataloader|param_scheduler)\.[\w.]+(?==)', page
    )
    assert options
    files = (LARGE, ABLATIONS['pca'], ABLATIONS['dvae'])
    known = [load(config) for config in files]
    for option in set(options):
        assert any(states(cfg, option) for cfg in known), option
