import pytest
import torch
from mmengine.registry import MODELS
from torch.testing import assert_close

from mae_transfer.necks.rescaled_pyramid import RescaledPyramid


@pytest.mark.parametrize(
    'norm_cfg', [dict(type='SyncBN'), dict(type='BN'), dict(type='GN', num_groups=4)]
)
@pytest.mark.parametrize('size', [(4, 6), (5, 3)])
def test_rescaled_pyramid__is_mmsegs_bit_for_bit(norm_cfg, size):
    from mmseg.models.necks import Feature2Pyramid

    torch.manual_seed(0)
    peer = Feature2Pyramid(embed_dim=8, rescales=[4, 2, 1, 0.5], norm_cfg=norm_cfg).eval()
    ours = RescaledPyramid(8, norm_cfg=norm_cfg).eval()
    ours.load_state_dict(peer.state_dict(), strict=True)
    maps = [torch.randn(2, 8, *size) for _ in range(4)]
    for mine, theirs in zip(ours(maps), peer(maps), strict=True):
        assert_close(mine, theirs, atol=0, rtol=0)


def test_rescaled_pyramid__starts_as_mmsegs():
    from mmseg.models.necks import Feature2Pyramid

    torch.manual_seed(3)
    peer = Feature2Pyramid(embed_dim=8)
    torch.manual_seed(3)
    ours = RescaledPyramid(8)
    ours.init_weights()
    assert_close(dict(ours.state_dict()), dict(peer.state_dict()), atol=0, rtol=0)


def test_rescaled_pyramid__each_level_comes_from_its_own_map():
    pyramid = MODELS.build(dict(type='RescaledPyramid', embed_dims=4, norm_cfg=dict(type='BN')))
    for index in range(4):
        maps = [torch.randn(2, 4, 3, 5, requires_grad=True) for _ in range(4)]
        pyramid(maps)[index].square().sum().backward()
        assert [x.grad is not None for x in maps] == [i == index for i in range(4)]


def test_rescaled_pyramid__in_front_of_an_fpn_gives_five_levels():
    """Two necks in a row, as in the recipes of detection: strides 4 to 64 of patches of 16."""
    from mmdet.models import FPN  # noqa: F401

    neck = MODELS.build(
        [
            dict(type='RescaledPyramid', embed_dims=8, norm_cfg=dict(type='GN', num_groups=4)),
            dict(type='mmdet.FPN', in_channels=[8] * 4, out_channels=6, num_outs=5),
        ]
    )
    levels = neck(tuple(torch.randn(1, 8, 6, 4) for _ in range(4)))
    assert [tuple(level.shape) for level in levels] == [
        (1, 6, 24, 16), (1, 6, 12, 8), (1, 6, 6, 4), (1, 6, 3, 2), (1, 6, 2, 1)
    ]  # fmt: skip


def test_rescaled_pyramid__a_side_of_one_stays_one():
    shapes = [tuple(y.shape[-2:]) for y in RescaledPyramid(4).eval()([torch.randn(1, 4, 1, 3)] * 4)]
    assert shapes == [(4, 12), (2, 6), (1, 3), (1, 1)]


@pytest.mark.parametrize(
    'maps, words',
    [
        ([torch.zeros(1, 4, 2, 2)] * 3, '3 maps'),
        ([torch.zeros(1, 4, 2, 2)] * 3 + [torch.zeros(1, 6, 2, 2)], r'inputs\[3\].*\(1, 6, 2, 2\)'),
    ],
)
def test_rescaled_pyramid__wrong_input(maps, words):
    with pytest.raises(ValueError, match=words):
        RescaledPyramid(4)(maps)


def test_rescaled_pyramid__norm_is_synchronized_by_default():
    """As published: statistics of all GPUs."""
    assert isinstance(RescaledPyramid(8).upsample_4x[1], torch.nn.SyncBatchNorm)
