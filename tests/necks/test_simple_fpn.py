import pytest
import torch
from mmengine.registry import MODELS
from torch.testing import assert_close

from mae_transfer.necks.simple_fpn import SimpleFPN
from tests.references.naive_simple_fpn import simple_fpn


def make_fpn(in_channels=16, out_channels=8, **kwargs):
    torch.manual_seed(0)
    fpn = SimpleFPN(in_channels, out_channels, **kwargs)
    for parameter in fpn.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return fpn


def weights_of(fpn):
    """The weights of a pyramid as the reference names them."""
    names = {
        'reduce': 'projections.{}.0',
        'norm1': 'projections.{}.1',
        'smooth': 'projections.{}.2',
        'norm2': 'projections.{}.3',
        'up1': 'rescales.{}.0',
        'mid': 'rescales.{}.1',
        'up2': 'rescales.{}.3',
    }
    weights = fpn.state_dict()
    return [
        {
            f'{ours}.{kind}': weights[f'{theirs.format(level)}.{kind}']
            for ours, theirs in names.items()
            for kind in ('weight', 'bias')
            if f'{theirs.format(level)}.{kind}' in weights
        }
        for level in range(4)
    ]


@pytest.mark.parametrize('size', [(4, 6), (5, 3), (2, 7)])
def test_simple_fpn__is_the_reference(size):
    fpn = make_fpn()
    x = torch.randn(2, 16, *size)
    outputs = fpn((torch.zeros(1), x))  # only the last map counts
    for ours, naive in zip(outputs, simple_fpn(x, weights_of(fpn)), strict=True):
        assert_close(ours, naive, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    'size, sizes',
    [
        ((4, 6), [(16, 24), (8, 12), (4, 6), (2, 3), (1, 2)]),
        ((5, 3), [(20, 12), (10, 6), (5, 3), (2, 1), (1, 1)]),
        ((1, 1), [(4, 4), (2, 2), (1, 1), (1, 1), (1, 1)]),
        ((1, 4), [(4, 16), (2, 8), (1, 4), (1, 2), (1, 1)]),
    ],
)
def test_simple_fpn__levels_of_any_size(size, sizes):
    outputs = make_fpn()([torch.randn(1, 16, *size)])
    assert isinstance(outputs, tuple)
    assert [tuple(y.shape) for y in outputs] == [(1, 8, *s) for s in sizes]


def test_simple_fpn__sixth_level_of_ones_is_subsampled_not_pooled():
    fifth, sixth = make_fpn()([torch.randn(1, 16, 8, 8)])[-2:]
    assert_close(sixth, fifth[:, :, ::2, ::2], atol=0, rtol=0)


def test_simple_fpn__parameters_by_hand():
    shapes = {name: tuple(p.shape) for name, p in SimpleFPN(16, 8).named_parameters()}
    expected = {
        'rescales.0.0.weight': (16, 8, 2, 2),
        'rescales.0.0.bias': (8,),
        'rescales.0.1.weight': (8,),
        'rescales.0.1.bias': (8,),
        'rescales.0.3.weight': (8, 4, 2, 2),
        'rescales.0.3.bias': (4,),
        'rescales.1.0.weight': (16, 8, 2, 2),
        'rescales.1.0.bias': (8,),
    }
    for level, width in enumerate((4, 8, 16, 16)):
        expected |= {
            f'projections.{level}.0.weight': (8, width, 1, 1),
            f'projections.{level}.1.weight': (8,),
            f'projections.{level}.1.bias': (8,),
            f'projections.{level}.2.weight': (8, 8, 3, 3),
            f'projections.{level}.3.weight': (8,),
            f'projections.{level}.3.bias': (8,),
        }
    assert shapes == expected


def test_simple_fpn__all_parameters_learn():
    fpn = make_fpn()
    sum(y.square().sum() for y in fpn([torch.randn(1, 16, 3, 4)])).backward()
    for name, parameter in fpn.named_parameters():
        assert torch.isfinite(parameter.grad).all() and parameter.grad.abs().sum() > 0, name


def test_simple_fpn__defaults_are_vitdets():
    fpn = MODELS.build(dict(type='SimpleFPN', in_channels=32))
    norms = [m for m in fpn.modules() if isinstance(m, torch.nn.LayerNorm)]
    assert {norm.eps for norm in norms} == {1e-6}
    assert len(norms) == 1 + 4 * 2
    outputs = fpn([torch.randn(1, 32, 2, 3)])
    assert len(outputs) == 5 and {y.shape[1] for y in outputs} == {256}


def test_simple_fpn__other_norm():
    fpn = SimpleFPN(16, 8, num_outs=4, norm_cfg=dict(type='GN', num_groups=2))
    assert len(fpn([torch.randn(1, 16, 2, 3)])) == 4
    assert not any(isinstance(m, torch.nn.LayerNorm) for m in fpn.modules())


@pytest.mark.parametrize(
    'kwargs, words', [(dict(in_channels=18), 'in_channels=18'), (dict(num_outs=3), 'num_outs=3')]
)
def test_simple_fpn__wrong_argument(kwargs, words):
    with pytest.raises(ValueError, match=words):
        SimpleFPN(**dict(dict(in_channels=16) | kwargs))


@pytest.mark.parametrize(
    'inputs, error, words',
    [
        ((), ValueError, 'no map'),
        (torch.zeros(1, 16, 2, 2), TypeError, 'tuple or list'),
        ((torch.zeros(1, 8, 2, 2),), ValueError, r'\(1, 8, 2, 2\)'),
        ((torch.zeros(1, 4, 16),), ValueError, r'\(1, 4, 16\)'),
    ],
)
def test_simple_fpn__wrong_input(inputs, error, words):
    with pytest.raises(error, match=words):
        SimpleFPN(16, 8)(inputs)
