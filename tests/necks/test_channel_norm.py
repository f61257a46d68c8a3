import pytest
import torch
from mmcv.cnn import ConvModule, build_norm_layer
from mmengine.registry import DefaultScope
from timm.layers import LayerNorm2d
from torch.testing import assert_close

from mae_transfer.necks.channel_norm import ChannelLN


@pytest.mark.parametrize('scope', ['mmengine', 'mmdet', 'mmseg'])
def test_channel_norm__is_found_from_every_scope(scope):
    with DefaultScope.overwrite_default_scope(scope):
        name, norm = build_norm_layer(dict(type='ChannelLN', eps=1e-6), 8, postfix=1)
    assert name == 'ln1'
    assert isinstance(norm, LayerNorm2d)
    assert norm.eps == 1e-6
    assert norm.weight.shape == (8,)


def test_channel_norm__works_in_conv_module():
    torch.manual_seed(0)
    module = ConvModule(4, 8, 3, padding=1, norm_cfg=dict(type='ChannelLN', eps=1e-6))
    assert {name for name, _ in module.named_parameters()} == {
        'conv.weight',
        'ln.weight',
        'ln.bias',
    }
    x = torch.randn(2, 4, 5, 3)
    assert_close(module(x), LayerNorm2d(8)(module.conv(x)).relu())


def test_channel_norm__eps_left_to_mmcv_is_told():
    with pytest.warns(UserWarning, match='eps=1e-6'):
        build_norm_layer(dict(type='ChannelLN'), 8)


def test_channel_norm__epsilon_is_the_given_one():
    assert ChannelLN(8, eps=1e-3).eps == 1e-3
    assert ChannelLN(8).eps == 1e-6
