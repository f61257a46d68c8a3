import torch
from torch.testing import assert_close

from mae_transfer.layers.layer_norm2d import LayerNorm2d
from tests.references.naive_simple_fpn import channel_norm


def test_layer_norm2d__is_the_formula():
    torch.manual_seed(0)
    norm = LayerNorm2d(6)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    x = torch.randn(2, 6, 3, 5)
    assert_close(norm(x), channel_norm(x, norm.weight, norm.bias, eps=1e-6))


def test_layer_norm2d__eps_counts():
    x = torch.full((1, 2, 1, 1), 1e-3)
    x[:, 1] = -1e-3  # mean 0, variance 1e-6: 1e-3 / sqrt(1e-6 + 1e-6) = 0.5 ** 0.5
    assert_close(LayerNorm2d(2)(x)[0, 0].item(), 0.5**0.5, atol=1e-6, rtol=0)


def test_layer_norm2d__positions_do_not_mix():
    torch.manual_seed(0)
    x = torch.randn(1, 4, 2, 3)
    changed = x.clone()
    changed[:, :, 1, 2] += torch.randn(4)
    before, after = LayerNorm2d(4)(x), LayerNorm2d(4)(changed)
    assert_close(before[:, :, 0], after[:, :, 0], atol=0, rtol=0)
    assert not torch.allclose(before[:, :, 1, 2], after[:, :, 1, 2])
