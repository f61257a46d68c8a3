"""Normalized pixels of patches that are almost of one color, where the epsilon decides."""

import pytest
import torch
from mmpretrain.registry import MODELS
from torch import Tensor, nn
from transformers import ViTMAEConfig, ViTMAEForPreTraining

import mae_transfer.pretrain  # noqa: F401  registers the targets
from mae_transfer.layers.patchify import patchify
from tests.configs_suite.reading import ALL, load
from tests.configs_suite.tables.pretrain import MAE_800

RECIPES = [
    path for path in ALL if (load(path).model.get('target_generator') or {}).get('norm_pix', False)
]
P = 16
VARIANCES = (1e-8, 1e-7, 1e-6)  # of pixels on the scale of the network's input


def flat_images(variance: float) -> Tensor:
    """Two images of 32 x 48 pixels with about this variance in each patch of 16."""
    return 0.3 + variance**0.5 * torch.randn(2, 3, 32, 48)


def by_formula(images: Tensor, channel_first: bool) -> Tensor:
    """(x - mean) / sqrt(variance + 1e-6) in float64, patch by patch; N - 1 divides the variance."""
    order = (0, 1, 2) if channel_first else (1, 2, 0)
    patches = []
    for image in images.double():
        for top in range(0, image.shape[1], P):
            for left in range(0, image.shape[2], P):
                patch = image[:, top : top + P, left : left + P].permute(order).flatten()
                mean = patch.sum() / len(patch)
                variance = (patch - mean).square().sum() / (len(patch) - 1)
                patches.append((patch - mean) / (variance + 1e-6) ** 0.5)
    return torch.stack(patches).view(len(images), -1, 3 * P * P)


def target(path: str) -> nn.Module:
    cfg = load(path)
    assert cfg.model.target_generator.patch_size == cfg.model.backbone.patch_size
    return MODELS.build({**cfg.model.target_generator, 'patch_size': P})


def test_recipes__normalize_where_the_papers_do():
    methods = {load(path).model.type for path in RECIPES}
    assert methods == {'MaskedAutoencoder', 'ContextAutoencoder'}


@pytest.mark.parametrize('path', RECIPES)
def test_flat_patch__has_the_target_of_the_formula(path):
    for variance in VARIANCES:
        images = flat_images(variance)
        expected = by_formula(images, channel_first=path.startswith('cifar/'))
        assert 0.05 < expected.std() < 0.75  # the epsilon counts
        torch.testing.assert_close(target(path)(images).double(), expected, rtol=0, atol=2e-3)


@pytest.mark.parametrize('variance', VARIANCES)
def test_flat_patch__has_the_loss_of_transformers(variance):
    """Its ``forward_loss`` of MAE, for some prediction and mask."""
    peer = ViTMAEForPreTraining(
        ViTMAEConfig(
            hidden_size=8,
            num_hidden_layers=1,
            num_attention_heads=1,
            image_size=32,
            patch_size=P,
            decoder_hidden_size=8,
            decoder_num_hidden_layers=1,
            decoder_num_attention_heads=1,
            norm_pix_loss=True,
        )
    )
    images = flat_images(variance)[..., :32]
    pred, mask = 0.1 * torch.randn(2, 4, 3 * P * P), torch.tensor([[1, 0, 1, 1], [0, 1, 1, 1]])
    assert patchify(images, (P, P)).shape == pred.shape
    expected = peer.forward_loss(images, pred, mask)
    loss = MODELS.build(dict(type='MaskedPatchLoss'))
    ours = loss.loss(pred, target(MAE_800)(images), mask)
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=0)
