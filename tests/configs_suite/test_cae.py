"""CAE's pre-training: what configs change, what options reach, what transfers load of it."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.registry import MODELS

from mae_transfer.backbones.arch import resolve_arch
from mae_transfer.hooks.encoder_metadata import EncoderMetadataHook
from tests.configs_suite.reading import ALL, CONFIGS, FULL, load, states
from tests.configs_suite.tables.cae import ARCHS, LARGE_INTENDED, WARM_UP, path
from tests.configs_suite.test_pretrain import differences, read
from tests.configs_suite.tiny_models import build_model, narrow, tiny_model

BASE = path('base', 300)
TARGET = 'model.target_generator'
DOWNSTREAM = [p for p in FULL if re.search(r'_cae(-\d+e)?-pre_', Path(p).stem)]
NAMES = re.compile(r'vit-(?P<arch>\w+)-p16')


@pytest.mark.parametrize('epochs', [800, 1600])
@pytest.mark.parametrize('arch', ARCHS)
def test_lengths__differ_in_nothing_else(arch, epochs):
    reference, other = read(path(arch, 300)), read(path(arch, epochs))
    assert differences(reference, other) == ['param_scheduler', 'train_cfg.max_epochs']
    warm_up, cosine = other['param_scheduler']
    assert warm_up == {**reference['param_scheduler'][0], 'end': WARM_UP[epochs]}
    between = {'begin': WARM_UP[epochs], 'end': epochs}
    assert cosine == {**reference['param_scheduler'][1], **between}


@pytest.mark.parametrize(
    ('one', 'other', 'keys'),
    [
        (
            BASE,
            path('small', 300),
            ['model.backbone.arch', 'model.neck.encoder_dims'],
        ),
        (
            BASE,
            path('large', 300),
            [
                'model.backbone.arch',
                'model.backbone.layer_scale_init',
                'model.neck.encoder_dims',
                'optim_wrapper.accumulative_counts',
                'train_dataloader.batch_size',
            ],
        ),
        (
            path('large', 1600),
            LARGE_INTENDED,
            [
                'model.linear_init',
                'model.neck.embed_dims',
                'model.neck.layer_scale_init',
                'model.neck.num_heads',
            ],
        ),
        (BASE, path('base', 300, 'dvae'), [f'{TARGET}.checkpoint', f'{TARGET}.tokenizer']),
        (
            BASE,
            path('base', 300, 'pixel'),
            [
                'model.data_preprocessor',
                'model.head.reconstruction',
                'model.neck.out_dims',
                TARGET,
                'train_dataloader.dataset.pipeline',
            ],
        ),
        (path('base', 300, 'pixel'), path('base', 300, 'norm-pixel'), [f'{TARGET}.norm_pix']),
    ],
)
def test_variants__differ_in_what_they_are_named_for(one, other, keys):
    contents = [read(config) for config in (one, other)]
    for content in contents:
        content.pop('tokenizer', None)  # a variable of the file
    assert differences(*contents) == keys


# ---- rows that an option reaches


def losses(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    images = torch.randn(2, 3, 32, 32)
    return model.loss([images, torch.rand(2, 3, 16, 16) * 0.8 + 0.1])


@pytest.mark.parametrize('depth', [1, 2, 5])
def test_depth__by_option(depth):
    options = dict(model__neck__regressor_layers=depth, model__neck__decoder_layers=depth)
    model = tiny_model(BASE, **options)
    assert len(model.neck.regressor.blocks) == len(model.neck.decoder.blocks) == depth
    assert all(loss.isfinite() for loss in losses(model).values())


def test_no_decoder__by_option():
    model = tiny_model(BASE, model__neck__decoder_layers=0)
    assert len(model.neck.decoder.blocks) == 0
    assert all(loss.isfinite() for loss in losses(model).values())


@pytest.mark.parametrize('weight', [0, 1, 1.5])
def test_weight_of_the_alignment__by_option(weight):
    states = torch.random.get_rng_state()
    default = tiny_model(BASE)
    other = tiny_model(BASE, model__head__align_weight=weight)
    other.load_state_dict(default.state_dict())
    found = []
    for model in (default, other):
        torch.random.set_rng_state(states)
        found.append(losses(model.eval())['loss_alignment'])
    torch.testing.assert_close(found[1], found[0] * weight / 2)


@pytest.mark.parametrize(('ratio', 'hidden'), [(0.4, 79), (0.5, 98), (0.6, 118)])
def test_mask_ratio__by_option(ratio, hidden):
    """Rounded so that the kept patches are cut down: 117, 98 and 78 of 196."""
    model = tiny_model(BASE, model__mask_ratio=ratio)
    _, ids_mask, _ = model.masking(3, (14, 14))
    assert ids_mask.shape == (3, hidden)


def test_page__names_only_options_that_the_configs_have():
    page = (CONFIGS / 'pretrain/cae/README.md').read_text()
    options = set(re.findall(r'(?:model|optim_wrapper|train_dataloader)\.[\w.]+(?==)', page))
    assert options
    known = [load(config) for config in (BASE, path('large', 300))]
    for option in options - {'optim_wrapper.dtype'}:
        assert any(states(cfg, option) for cfg in known), option


# ---- transfer


@pytest.fixture(scope='module')
def checkpoints(tmp_path_factory) -> dict[str, tuple[Path, dict[str, torch.Tensor]]]:
    """By architecture, a checkpoint as a run of the recipe writes it, 32 wide, and its encoder."""
    folder = tmp_path_factory.mktemp('cae')
    made = {}
    for arch in ('small', 'base', 'large'):
        cfg = narrow(load(path(arch, 300)))
        model = build_model(cfg)
        for name, parameter in model.named_parameters():
            if 'pos_embed' not in name:
                torch.nn.init.normal_(parameter, std=0.1)
        content = dict(meta={}, state_dict=model.state_dict())
        EncoderMetadataHook().before_save_checkpoint(SimpleNamespace(model=model), content)
        torch.save(content, folder / f'{arch}.pth')
        made[arch] = folder / f'{arch}.pth', dict(model.backbone.state_dict())
    return made


def test_downstream__recipes_are_there():
    assert {path.split('/')[0] for path in DOWNSTREAM} == {
        'classification',
        'detection',
        'segmentation',
    }
    assert set(DOWNSTREAM) <= set(ALL)


@pytest.mark.slow
@pytest.mark.parametrize('config', DOWNSTREAM)
def test_checkpoint__loads_into_the_encoder_of_each_transfer_recipe(config, checkpoints):
    """All of the encoder arrives; tables of relative position are new, and so zero."""
    cfg = load(config)
    init_cfg = cfg.model.backbone.init_cfg
    arch = NAMES.search(config)['arch']
    file, encoder = checkpoints[arch]
    backbone = narrow(cfg).model.backbone
    backbone.init_cfg = {**init_cfg, 'checkpoint': str(file)}
    vit = MODELS.build(backbone)
    vit.init_weights()
    state = vit.state_dict()
    for name, tensor in state.items():
        if name.endswith('relative_position_bias_table'):
            assert not tensor.any(), name
        elif name.startswith('fc_norm.'):
            assert init_cfg.fc_norm == 'norm'
            torch.testing.assert_close(tensor, encoder[name.removeprefix('fc_')])
        elif name == 'pos_embed' and tensor.shape != encoder[name].shape:
            assert tensor.shape[1] > encoder[name].shape[1]  # interpolated
        else:
            torch.testing.assert_close(tensor, encoder[name], msg=name)
    left = {name.split('.')[0] for name in encoder.keys() - state.keys()}
    assert left <= {'norm'}


@pytest.mark.parametrize('config', DOWNSTREAM)
def test_encoder__of_each_transfer_recipe_is_that_of_the_pretraining(config):
    """Heads and the like, which no file shows and no shape tells."""
    here = load(config).model.backbone
    there = load(path(NAMES.search(config)['arch'], 300)).model.backbone
    assert resolve_arch(here.arch) == resolve_arch(there.arch)
    for key in ('patch_size', 'pos_embed', 'qkv_bias'):
        assert here[key] == there[key], key
    assert here.layer_scale_init is not None
