"""Stochastic depth in training, draw by draw as timm's."""

import pytest
import torch
from timm.models.vision_transformer import VisionTransformer

from mae_transfer.backbones import PlainViT
from tests.support.weights import randomize

DEPTH, RATE = 4, 0.6


def pair(init_values: float | None = None) -> tuple[PlainViT, VisionTransformer]:
    """Our encoder and timm's with the same weights, in training."""
    theirs = VisionTransformer(
        img_size=(32, 48),
        patch_size=8,
        embed_dim=32,
        depth=DEPTH,
        num_heads=2,
        num_classes=0,
        drop_path_rate=RATE,
        init_values=init_values,
    )
    ours = PlainViT(
        dict(embed_dims=32, num_layers=DEPTH, num_heads=2),
        (32, 48),
        8,
        drop_path_rate=RATE,
        layer_scale_init=init_values,
        out_type='tokens',
    )
    ours.load_state_dict(randomize(theirs, std=0.1).state_dict())
    return ours.train(), theirs.train()


@pytest.mark.parametrize('init_values', [None, 0.1])
def test_stochastic_depth__equals_timm_in_training(init_values):
    """The same seed drops the same branches of the same samples: tokens and all gradients."""
    ours, theirs = pair(init_values)
    images, weights = torch.randn(16, 3, 32, 48), torch.randn(16, 25, 32)
    outputs = []
    for forward in (lambda x: ours(x)[0], theirs.forward_features):
        torch.manual_seed(5)
        outputs.append(forward(images))
        (outputs[-1] * weights).sum().backward()
    torch.testing.assert_close(outputs[0], outputs[1], rtol=1e-5, atol=1e-5)
    gradients = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name].grad, rtol=1e-4, atol=1e-4)
    torch.manual_seed(6)
    assert not torch.allclose(ours(images)[0], outputs[0])  # other branches


def test_stochastic_depth__drops_nothing_in_evaluation():
    ours, theirs = pair()
    images = torch.randn(3, 3, 32, 48)
    ours.eval(), theirs.eval()
    once, again = ours(images)[0], ours(images)[0]
    torch.testing.assert_close(once, again, rtol=0, atol=0)
    torch.testing.assert_close(once, theirs.forward_features(images), rtol=1e-5, atol=1e-5)
