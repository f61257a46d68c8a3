"""The RPN of ViTDet's text: a norm behind each hidden convolution."""

import pytest
import torch
import torch.nn.functional as F
from timm.layers import LayerNorm2d

import mae_transfer  # noqa: F401  offers RoIAlign, which mmdet imports


@pytest.fixture(scope='module')
def make_head():
    from mmdet.models import RPNHead

    from mae_transfer.heads.rpn_with_norm import RPNHeadWithNorm

    generator = dict(type='AnchorGenerator', scales=[8], ratios=[1.0], strides=[4])

    def make(num_convs: int, norm: bool):
        torch.manual_seed(0)
        kwargs = dict(in_channels=8, feat_channels=6, num_convs=num_convs)
        if norm:
            norm_cfg = dict(type='ChannelLN', eps=1e-6)
            return RPNHeadWithNorm(norm_cfg=norm_cfg, anchor_generator=generator, **kwargs)
        return RPNHead(anchor_generator=generator, **kwargs)

    return make


@pytest.mark.parametrize('num_convs', [1, 2])
def test_rpn_with_norm__is_convolution_norm_relu(make_head, num_convs):
    head = make_head(num_convs, norm=True)
    assert len(head.rpn_conv) == num_convs
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    x = torch.randn(2, 8, 5, 7)
    expected = x
    for layer in head.rpn_conv:
        expected = F.conv2d(expected, layer.conv.weight, layer.conv.bias, padding=1)
        expected = F.layer_norm(
            expected.permute(0, 2, 3, 1), (6,), layer.norm.weight, layer.norm.bias, eps=1e-6
        ).permute(0, 3, 1, 2)
        expected = expected.relu()
    scores, deltas = head.forward_single(x)
    torch.testing.assert_close(scores, head.rpn_cls(expected))
    torch.testing.assert_close(deltas, head.rpn_reg(expected))


def test_rpn_with_norm__differs_from_mmdetections_by_the_norms_alone(make_head):
    with_norm, without = (make_head(2, norm) for norm in (True, False))
    assert all(isinstance(layer.norm, LayerNorm2d) for layer in with_norm.rpn_conv)
    ours, theirs = (
        {name: parameter.shape for name, parameter in head.named_parameters() if '.ln.' not in name}
        for head in (with_norm, without)
    )
    for i in range(2):  # MMCV leaves out the bias of a convolution in front of a norm
        del theirs[f'rpn_conv.{i}.conv.bias']
    assert ours == theirs
