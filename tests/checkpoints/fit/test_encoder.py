from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from mae_transfer.checkpoints.files.checkpoint_file import CheckpointFile
from mae_transfer.checkpoints.fit.account import account_of_load
from mae_transfer.checkpoints.fit.encoder import fit_encoder
from mae_transfer.checkpoints.layouts.facts import check_facts, gather_facts
from mae_transfer.checkpoints.layouts.table import layout_named
from mae_transfer.checkpoints.layouts.translate import EncoderTensors
from mae_transfer.checkpoints.steps import Resized
from mae_transfer.layers.rel_pos import resize_rel_pos_table
from tests.references.checkpoint_files import ARCH, make_vit

PLACES = {'pos_grid': [2, 8]}


def fit(vit, tensors, metadata=None, stated=None, layout='timm ViT', **kwargs):
    tensors = dict(tensors)
    file = CheckpointFile(Path('x.pth'), 'raw', tensors, metadata)
    found = EncoderTensors(layout_named(layout), '', tensors, {}, {})
    facts = check_facts(vit, gather_facts(file, found, stated))
    fitted, steps = fit_encoder(tensors, vit, facts, **kwargs)
    return fitted, account_of_load(file, found, facts, steps, list(fitted))


def bicubic(table, old, new):
    """Cubic convolution (a = -0.75) between half-pixel centers, clamped at the border."""

    def taps(i, n_old, n_new):
        place = (i + 0.5) * n_old / n_new - 0.5
        base = int(torch.tensor(place).floor())
        weights = {}
        for tap in range(base - 1, base + 3):
            d = abs(place - tap)
            w = 1.25 * d**3 - 2.25 * d**2 + 1 if d <= 1 else -0.75 * (d**3 - 5 * d**2 + 8 * d - 4)
            clamped = min(max(tap, 0), n_old - 1)
            weights[clamped] = weights.get(clamped, 0.0) + w
        return weights

    rows = []
    for i in range(new[0]):
        for j in range(new[1]):
            rows.append(
                sum(
                    a * b * table[0, y * old[1] + x]
                    for y, a in taps(i, old[0], new[0]).items()
                    for x, b in taps(j, old[1], new[1]).items()
                )
            )
    return torch.stack(rows)[None]


@pytest.mark.parametrize('img_size, grid', [((24, 56), (3, 7)), ((56, 24), (7, 3)), (64, (8, 8))])
@pytest.mark.parametrize('file_cls, model_cls', [(True, True), (True, False), (False, False)])
def test_fit_encoder__positions_on_another_grid(img_size, grid, file_cls, model_cls):
    source = make_vit(with_cls_token=file_cls)
    vit = make_vit(seed=1, img_size=img_size, with_cls_token=model_cls)
    tensors, account = fit(vit, source.state_dict())
    prefix, table = source.pos_embed.split([int(file_cls), 16], dim=1)
    expected = bicubic(table, (4, 4), grid)
    assert_close(tensors['pos_embed'][:, int(model_cls) :], expected, atol=1e-5, rtol=1e-5)
    if model_cls:
        assert_close(tensors['pos_embed'][:, :1], prefix, atol=0, rtol=0)
    assert account.changes[0] == f'pos_embed 4x4 -> {grid[0]}x{grid[1]} bicubic'
    assert ('cls_token' in account.unused) == (file_cls and not model_cls)


@pytest.mark.parametrize('img_size', [32, (24, 56)])
def test_fit_encoder__positions_on_the_same_grid_stay_bit_for_bit(img_size):
    source = make_vit(img_size=img_size)
    tensors, account = fit(make_vit(seed=1, img_size=img_size), source.state_dict())
    assert_close(tensors['pos_embed'], source.pos_embed.data, atol=0, rtol=0)
    assert account.changes == []


def test_fit_encoder__positions_without_class_row():
    source = dict(make_vit().state_dict())
    source['pos_embed'] = source['pos_embed'][:, 1:]
    tensors, account = fit(make_vit(seed=1), source)
    assert_close(tensors['pos_embed'][:, 1:], source['pos_embed'], atol=0, rtol=0)
    assert_close(tensors['pos_embed'][:, 0], torch.zeros(1, 32), atol=0, rtol=0)
    assert account.changes == ['pos_embed with a class row of zeros']


@pytest.mark.parametrize('file_row, model_row', [(True, False), (False, True), (False, False)])
def test_fit_encoder__class_token_without_a_position_computes_the_same(file_row, model_row):
    source = make_vit(cls_pos_embed=file_row).eval()
    vit = make_vit(seed=1, cls_pos_embed=model_row).eval()
    tensors, account = fit(vit, source.state_dict())
    vit.load_state_dict(tensors)
    images = torch.randn(2, 3, 32, 32)
    assert_close(vit(images)[0], source(images)[0])
    assert vit.pos_embed.shape[1] == 16 + model_row
    assert (account.changes == []) == (file_row == model_row)


@pytest.mark.parametrize('how', ['metadata', 'argument'])
def test_fit_encoder__stated_grid_counts_more_than_a_square(how):
    source = make_vit(img_size=(16, 64))  # 2x8 = 16 places, as 4x4 has
    vit = make_vit(seed=1, img_size=(32, 32))
    stated = dict(metadata=PLACES) if how == 'metadata' else dict(stated=PLACES)
    tensors, account = fit(vit, source.state_dict(), **stated)
    expected = bicubic(source.pos_embed[:, 1:], (2, 8), (4, 4))
    assert_close(tensors['pos_embed'][:, 1:], expected, atol=1e-5, rtol=1e-5)
    assert account.changes == ['pos_embed 2x8 -> 4x4 bicubic']


def test_fit_encoder__positions_of_another_grid_with_as_many_places_are_resized():
    """Both tables have 1 + 16 rows, but no value of the patches is the file's."""
    tensors, account = fit(make_vit(), make_vit(img_size=(16, 64)).state_dict(), PLACES)
    assert account.resized['pos_embed'] == Resized(
        (1, 17, 32), (1, 17, 32), 'pos_embed 2x8 -> 4x4 bicubic'
    )
    assert account.encoder['pos_embed']['status'] == 'resized'


@pytest.mark.parametrize(
    'file_size, model_size, kwargs, words',
    [
        ((24, 56), (32, 32), {}, 'no square grid'),
        ((32, 48), (32, 48), {}, "5x5 or the encoder's 4x6"),  # 25 = 4 * 6 + 1
        ((32, 32), (16, 64), {}, "4x4 or the encoder's 2x8"),
        ((32, 32), (32, 32), dict(stated={'pos_grid': [3, 4]}), 'pos_grid=3x4 has 12'),
    ],
)
def test_fit_encoder__unclear_grid(file_size, model_size, kwargs, words):
    source, vit = make_vit(img_size=file_size), make_vit(img_size=model_size)
    with pytest.raises(ValueError, match=words):
        fit(vit, source.state_dict(), **kwargs)


@pytest.mark.parametrize('file_bias, model_bias', [(True, 'no-key'), ('no-key', True)])
def test_fit_encoder__key_bias_is_not_felt(file_bias, model_bias):
    source = make_vit(qkv_bias=file_bias)
    vit = make_vit(seed=1, qkv_bias=model_bias)
    tensors, account = fit(vit, source.state_dict())
    vit.load_state_dict(tensors, strict=True)
    x = torch.randn(2, 3, 32, 24)
    assert_close(vit(x), source(x), atol=1e-5, rtol=1e-5)
    assert account.changes[0].startswith('qkv.bias 2 ')


def test_fit_encoder__relative_positions():
    kwargs = dict(with_cls_token=False, rel_pos=True)
    source = make_vit(**kwargs, window_size=3)
    for name, parameter in source.named_parameters():
        if 'rel_pos' in name:
            torch.nn.init.normal_(parameter)
    same, account = fit(make_vit(seed=1, **kwargs, window_size=3), source.state_dict())
    name = 'blocks.1.attn.rel_pos_w'
    assert_close(same[name], source.state_dict()[name], atol=0, rtol=0)
    assert account.changes == [] and account.fresh == {}

    wider, account = fit(make_vit(seed=1, **kwargs, window_size=8), source.state_dict())
    assert account.changes == ['rel_pos 4 resized linearly']
    table, resized = source.state_dict()[name], wider[name]
    assert resized.shape == (15, 8)
    assert_close(resized[7], table[2])  # distance zero stays in the middle
    assert_close(resized[1], table[0])  # (1 + .5) * 5 / 15 - .5 = 0: hits the first entry


def test_fit_encoder__tables_are_those_of_the_size_that_the_file_states():
    """3 x 7 patches in the file, 7 x 3 in the encoder: as many rows."""
    plain = dict(rel_pos='table', with_cls_token=False)
    source = make_vit(img_size=(24, 56), **plain)
    name = 'blocks.1.attn.relative_position_bias_table'
    fitted, _ = fit(
        make_vit(seed=1, img_size=(56, 24), **plain), source.state_dict(), source.metadata()
    )
    expected = resize_rel_pos_table(source.state_dict()[name], (3, 7), (7, 3))
    assert_close(fitted[name], expected, atol=0, rtol=0)
    assert not torch.equal(expected, source.state_dict()[name])


def test_fit_encoder__fresh_by_design():
    source = make_vit().state_dict()
    vit = make_vit(seed=1, with_cls_token=False, rel_pos=True, window_size=2, final_norm=False)
    _, account = fit(vit, source)
    assert {group: len(names) for group, names in account.fresh.items()} == {'rel_pos': 4}
    assert {group: len(names) for group, names in account.unused.items()} == {
        'cls_token': 1,
        'norm': 2,
    }
    _, account = fit(make_vit(out_type='avg'), source)
    assert account.fresh == {'fc_norm': ['fc_norm.weight', 'fc_norm.bias']}
    assert account.unused == {'norm': ['norm.weight', 'norm.bias']}
    _, account = fit(make_vit(layer_scale_init=1.0), source)
    assert {group: len(names) for group, names in account.fresh.items()} == {'layer scale of 1': 4}


SPOILT = {
    'width': (
        dict(arch=ARCH | dict(embed_dims=64)),
        lambda t: t,
        'width 32 in the file .*, 64 in',
    ),
    'depth': (
        dict(arch=ARCH | dict(num_layers=1)),
        lambda t: t,
        'blocks 2 in the file .*, 1 in',
    ),
    'channels': (dict(in_channels=4), lambda t: t, 'input channels 3 in the file, 4 in'),
    'mlp ratio': (
        dict(arch=ARCH | dict(mlp_ratio=2)),
        lambda t: t,
        r'another shape \(6\): blocks.0.mlp.fc1.weight \(128, 32\) instead of',
    ),
    'one missing': (
        {},
        lambda t: {k: v for k, v in t.items() if k != 'blocks.1.attn.proj.bias'},
        r'tensors that the file lacks \(1\): blocks.1.attn.proj.bias.$',
    ),
    'transposed': (
        {},
        lambda t: t | {'blocks.0.attn.qkv.weight': t['blocks.0.attn.qkv.weight'].T},
        r'blocks.0.attn.qkv.weight \(32, 96\) instead of \(96, 32\)',
    ),
    'renamed': (
        {},
        lambda t: {k.replace('fc1', 'fc3'): v for k, v in t.items()},
        r'the file lacks \(4\).*without a place in the encoder \(4\): blocks.0.mlp.fc3',
    ),
    'all renamed': (
        {},
        lambda t: {k.replace('.', '_'): v for k, v in t.items()},
        r'file lacks \(28\): .*blocks.0.norm1.weight.* and 18 more[^:]*: .* and 18 more.$',
    ),
    'registers': (
        {},
        lambda t: t | {'reg_token': torch.ones(1, 4, 32)},
        r'without a place in the encoder \(1\): reg_token',
    ),
    'NaN': (
        {},
        lambda t: t | {'norm.bias': torch.full((32,), float('nan'))},
        'NaN.*: norm.bias',
    ),
    'integers': ({}, lambda t: t | {'norm.bias': torch.ones(32).long()}, 'norm.bias'),
    'no final norm': (
        {},
        lambda t: {k: v for k, v in t.items() if not k.startswith('norm.')},
        'final_norm=False',
    ),
    'no class token': (
        {},
        lambda t: {k: v for k, v in t.items() if k != 'cls_token'},
        'with_cls_token=False',
    ),
    'layer scale to make up': (dict(layer_scale_init=0.1), lambda t: t, 'layer_scale_init=1.0'),
    'layer scale to lose': (
        {},
        lambda t: t | {f'blocks.{i}.ls{j}.gamma': torch.ones(32) for i in (0, 1) for j in (1, 2)},
        'The file has layer scale',
    ),
    'relative positions to lose': (
        dict(with_cls_token=False),
        lambda t: t | {'blocks.0.attn.rel_pos_h': torch.zeros(3, 8)},
        'rel_pos=True',
    ),
    'relative positions in part': (
        dict(with_cls_token=False, rel_pos=True),
        lambda t: t | {'blocks.0.attn.rel_pos_h': torch.zeros(7, 8)},
        'in some blocks only',
    ),
    'positions to lose': (dict(pos_embed=None), lambda t: t, 'do not build.*pos_embed=None'),
    'no positions': (
        {},
        lambda t: {k: v for k, v in t.items() if k != 'pos_embed'},
        'has no absolute positions',
    ),
    'bias to lose': (dict(qkv_bias=False), lambda t: t, 'qkv_bias=True'),
    'no bias': (
        {},
        lambda t: {k: v for k, v in t.items() if not k.endswith('qkv.bias')},
        'qkv_bias=False',
    ),
}


@pytest.mark.parametrize('case', SPOILT)
def test_fit_encoder__what_does_not_fit_is_named(case):
    kwargs, spoil, words = SPOILT[case]
    tensors = spoil(dict(make_vit().state_dict()))
    with pytest.raises(ValueError, match=words) as error:
        fit(make_vit(seed=1, **kwargs), tensors)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    'metadata, words',
    [
        (dict(num_heads=2), r'attention heads 2 in the file \(.*metadata\), 4 in'),
        (dict(norm_eps=1e-5), r'norms 1e-05 in the file \(.*metadata\), 1e-06 in'),
    ],
)
def test_fit_encoder__metadata_contradicts(metadata, words):
    vit = make_vit()
    fit(vit, vit.state_dict(), metadata=dict(num_heads=4, norm_eps=1e-6, patch_size=[8, 8]))
    with pytest.raises(ValueError, match=words):
        fit(vit, vit.state_dict(), metadata=metadata)
