"""Classifiers of CAE's and MAE's code: their encoders anywhere, and whole into our configs."""

import pytest
import torch
from torch.testing import assert_close

from mae_transfer.checkpoints.describe import describe_checkpoint, misfits
from mae_transfer.checkpoints.export.export import export_checkpoint
from mae_transfer.checkpoints.files.checkpoint_file import METADATA_KEY
from mae_transfer.checkpoints.pretrained import load_pretrained
from mae_transfer.checkpoints.whole_model import account_of_model
from tests.configs_suite.reading import load
from tests.configs_suite.tables import classification as recipes
from tests.configs_suite.tiny_models import build_model, shrink
from tests.references import checkpoint_files as sources
from tests.references.checkpoint_files import make_vit
from tests.references.naive_attentive_probe import naive_attentive_logits
from tests.support.weights import randomize

CAE = dict(qkv_bias='no-key', layer_scale_init=1.0)
ZEROS = torch.zeros(7 * 7 + 3, 4)  # a table of the grid 4 x 4 with a class token, 4 heads


# ---- encoders


@pytest.mark.parametrize(
    ('options', 'init', 'unused'),
    [
        ({}, {}, {'rel_pos of zero': 2}),  # probes, pre-training
        (dict(out_type='avg', rel_pos='table'), dict(fc_norm='norm'), {}),  # fine-tuning
        (
            dict(with_cls_token=False, final_norm=False, window_size=3, rel_pos=True, img_size=48),
            {},
            {'rel_pos of zero': 2, 'norm': 2, 'cls_token': 1},
        ),  # detection
        (
            dict(final_norm=False, rel_pos='shared_table'),
            {},
            {'rel_pos of zero': 2, 'norm': 2},
        ),
    ],
)
def test_attentive_probe__encoder_loads_into_each_task(save, options, init, unused):
    source = make_vit(**CAE)
    path = save(sources.cae_attentive(source.state_dict(), ZEROS))
    vit = make_vit(seed=1, **CAE, **options)
    account = load_pretrained(vit, path, **init)
    assert account.layout == 'CAE attentive probe'
    assert {group: len(names) for group, names in account.unused.items()} == {
        'attentive probe': 19, 'head': 2, 'computed index': 2, **unused
    }  # fmt: skip
    for name, tensor in source.state_dict().items():
        name = name.replace('norm.', 'fc_norm.') if init and name.startswith('norm.') else name
        if name in vit.state_dict() and name != 'pos_embed':
            assert_close(vit.state_dict()[name], tensor, rtol=0, atol=0)
    assert account.facts['norm_eps'] == (1e-6, 'layout CAE attentive probe')


def test_attentive_probe__trained_tables_are_not_dropped(save):
    """A table with one number that is not zero changes what the encoder computes."""
    table = ZEROS.clone()
    table[3, 1] = 1e-3
    path = save(sources.cae_attentive(make_vit(**CAE).state_dict(), table))
    with pytest.raises(
        ValueError, match="without a place .*build the encoder with rel_pos='table'"
    ):
        load_pretrained(make_vit(**CAE), path)
    assert describe_checkpoint(path)['parts']['rel_pos'] == 'table'


def test_attentive_probe__described(save):
    path = save(sources.cae_attentive(make_vit(**CAE).state_dict(), ZEROS))
    found = describe_checkpoint(path, dict(num_heads=4))
    assert found['layout'] == 'CAE attentive probe'
    assert found['others'] == {'attentive probe': 19, 'head': 2, 'computed index': 2}
    assert found['parts']['rel_pos'] is None and found['encoder']['pos_order'] == 'yx'
    assert found['notes'] == ['2 tables of relative position are zero, which changes nothing']
    arch = dict(embed_dims=32, num_layers=2, num_heads=4)
    assert misfits(found, dict(arch=arch, patch_size=8, layer_scale_init=0.1)) == []


# ---- whole classifiers, in the models of our configs


def classifier(path: str, seed: int) -> torch.nn.Module:
    """A recipe's model, narrow, with random weights, for 5 classes."""
    cfg = shrink(load(path))
    cfg.model.head.num_classes = cfg.model.data_preprocessor.num_classes = 5
    torch.manual_seed(seed)
    return randomize(build_model(cfg), std=0.3).eval()


def exported(path: object) -> dict:
    """What tools/test.py reads of the file exported with --to mae_transfer --format pth."""
    done = export_checkpoint(path, 'mae_transfer', file_format='pth', facts=dict(num_heads=2))
    content = torch.load(done.path, weights_only=True)
    assert content['meta'][METADATA_KEY]['num_heads'] == 2
    return content['state_dict']


def logits_of(path: str, state: dict, images: torch.Tensor) -> torch.Tensor:
    """Scores of a new model of the recipe that evaluates the file."""
    model = classifier(path, seed=1)
    account_of_model(model, state, 'x.pth').check(whole=True)
    model.load_state_dict(state, strict=True)
    with torch.no_grad():
        return model(images)


@pytest.mark.parametrize('tables', [True, False])
def test_attentive_probe__scores_as_in_caes_code(save, tables):
    """Query, batch norm's statistics and linear layer, each in its place."""
    backbone = classifier(recipes.CAE_ATTENTIVE, seed=0).backbone
    table = torch.zeros(9 + 3, 2) if tables else None  # 2 x 2 patches, 2 heads
    content = sources.cae_attentive(backbone.state_dict(), table)
    images = torch.randn(3, 3, *backbone.img_size)
    with torch.no_grad():
        expected = naive_attentive_logits(content['model'], backbone(images)[0], num_heads=2)
    found = logits_of(recipes.CAE_ATTENTIVE, exported(save(content)), images)
    assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_attentive_probe__export_tells_what_it_leaves_out(save):
    backbone = classifier(recipes.CAE_ATTENTIVE, seed=0).backbone
    path = save(sources.cae_attentive(backbone.state_dict(), torch.zeros(12, 2)))
    export = export_checkpoint(path, 'mae_transfer', facts=dict(num_heads=2))
    assert export.steps == [
        'relative positions: 12 tables of zeros dropped: exact',
        'classifier: 19 tensors after the encoder, as neck and head',
    ]
    unused = [f'attentive_blocks.0.norm2_cross.{part}' for part in ('weight', 'bias')]
    assert sorted(export.left_out) == ['attentive probe', 'computed index']
    assert export.left_out['attentive probe'] == unused
    other = export_checkpoint(path, 'timm', facts=dict(num_heads=2))
    assert len(other.left_out['attentive probe']) == 19 and len(other.left_out['head']) == 2
    assert other.steps[0] == 'relative positions: 12 tables of zeros dropped: exact'


@pytest.mark.parametrize('recipe', [recipes.CAE_LINEAR, recipes.LINEAR])
def test_linear_probe__scores_as_in_the_released_code(save, recipe):
    """(x - mean) / sqrt(var + 1e-6) of the class token, then the linear layer."""
    backbone = classifier(recipe, seed=0).backbone
    content = sources.linear_probed(backbone.state_dict())
    model = content['model']
    images = torch.randn(3, 3, *backbone.img_size)
    with torch.no_grad():
        feature = backbone(images)[-1] - model['head.0.running_mean']
        feature = feature / (model['head.0.running_var'] + 1e-6).sqrt()
        expected = feature @ model['head.1.weight'].T + model['head.1.bias']
    found = logits_of(recipe, exported(save(content)), images)
    assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('recipe', [recipes.CAE_BASE, recipes.CLASSIFY])
def test_fine_tuned__scores_as_in_the_released_code(save, recipe):
    """The mean of the patches after fc_norm, then the linear layer."""
    backbone = classifier(recipe, seed=0).backbone
    content = sources.cae_fine_tuned(backbone.state_dict())
    images = torch.randn(3, 3, *backbone.img_size)
    with torch.no_grad():
        feature = backbone(images)[-1]
    expected = feature @ content['model']['head.weight'].T + content['model']['head.bias']
    found = logits_of(recipe, exported(save(content)), images)
    assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('name', ['head.weight', 'query_token', 'fc_norm.running_var'])
def test_attentive_probe__broken_numbers_are_not_exported(save, name):
    content = sources.cae_attentive(make_vit(**CAE).state_dict(), ZEROS)
    content['model'][name][0] = torch.nan
    with pytest.raises(ValueError, match='1 tensors contain NaN'):
        export_checkpoint(save(content), 'mae_transfer', facts=dict(num_heads=4))
