"""The mask head starts with logits close to 0, and is MMDetection's otherwise."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

import mae_transfer  # noqa: F401  offers RoIAlign, which mmdet imports


@pytest.fixture(scope='module')
def make_head():
    from mmdet.models import FCNMaskHead

    from mae_transfer.heads.small_logits_mask_head import SmallLogitsMaskHead

    def make(ours: bool = True, **kwargs: object) -> nn.Module:
        kind = SmallLogitsMaskHead if ours else FCNMaskHead
        return kind(
            **(dict(num_convs=1, in_channels=16, conv_out_channels=64, num_classes=40) | kwargs)
        )

    return make


@pytest.mark.parametrize('call', [False, True], ids=['in a cascade', 'alone'])
def test_small_logits__are_small_with_and_without_init_weights(make_head, call):
    """MMDetection's cascade does not call ``init_weights`` of its mask heads."""
    head = make_head()
    if call:
        head.init_weights()
    assert head.conv_logits.weight.std().item() == pytest.approx(0.001, rel=0.05)
    # normal, variance 2 / outputs: 64 channels, 2 x 2 pixels
    assert head.upsample.weight.std().item() == pytest.approx((2 / (64 * 4)) ** 0.5, rel=0.05)
    assert not head.conv_logits.bias.any() and not head.upsample.bias.any()
    assert head(torch.randn(3, 16, 14, 14)).abs().max() < 0.1  # logits: about one half each


def test_small_logits__load_the_same_checkpoints(make_head):
    peer = make_head(ours=False)
    peer.init_weights()
    ours = make_head()
    ours.load_state_dict(peer.state_dict(), strict=True)
    x = torch.randn(2, 16, 14, 14)
    assert_close(ours(x), peer(x), rtol=0, atol=0)


@pytest.mark.parametrize('upsample', [None, 'bilinear'])
def test_small_logits__with_another_upsampling(make_head, upsample):
    head = make_head(upsample_cfg=dict(type=upsample, scale_factor=2))
    assert head.conv_logits.weight.std().item() == pytest.approx(0.001, rel=0.05)
