"""Alignment alone makes all pictures look alike to the encoder; with reconstruction it does not."""

import pytest
import torch
from mmpretrain.registry import MODELS

from mae_transfer.pretrain import ContextAutoencoder

SIDE, P, DIMS = 32, 8, 32
GRID = (SIDE // P, SIDE // P)


def pictures(number: int, seed: int) -> torch.Tensor:
    """Four colored discs on a colored slope, normalized; (number, 3, SIDE, SIDE)."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*size: int) -> torch.Tensor:
        return torch.rand(number, *size, 1, 1, generator=generator)

    line = torch.linspace(0, 1, SIDE)
    y, x = torch.meshgrid(line, line, indexing='ij')
    images = draw(3) + (draw(3) - 0.5) * x + (draw(3) - 0.5) * y
    for _ in range(4):
        center, radius = draw(2), 0.1 + 0.2 * draw(1)
        inside = (x - center[:, :1]) ** 2 + (y - center[:, 1:]) ** 2 < radius**2
        images = torch.where(inside, draw(3), images)
    return (images - images.mean()) / images.std()


def build() -> ContextAutoencoder:
    sizes = dict(num_heads=2, mlp_ratio=2)
    return MODELS.build(
        dict(
            type='ContextAutoencoder',
            backbone=dict(
                type='PlainViT',
                arch=dict(embed_dims=DIMS, num_layers=1, **sizes),
                img_size=SIDE,
                patch_size=P,
                pos_embed='sincos_yx',
                qkv_bias='no-key',
            ),
            neck=dict(
                type='ContextNeck',
                encoder_dims=DIMS,
                grid=GRID,
                out_dims=3 * P * P,
                embed_dims=DIMS,
                regressor_layers=1,
                decoder_layers=1,
                layer_scale_init=None,
                **sizes,
            ),
            head=dict(type='ContextLoss', reconstruction=dict(type='MaskedPatchLoss')),
            target_generator=dict(type='PixelTarget', patch_size=P),
            masking=dict(type='BlockMasking', min_block=2),
        )
    )


@torch.no_grad()
def feature_variance(model: ContextAutoencoder, images: torch.Tensor) -> float:
    """Variance of the latents of one place over pictures, as a share of their mean square."""
    every = torch.arange(GRID[0] * GRID[1]).expand(len(images), -1)
    latents = model.latent_target(images, every, GRID)  # (B, L, C)
    return (latents.var(0).mean() / latents.square().mean()).item()


def train(terms: tuple[str, ...], steps: int = 210) -> list[float]:
    """Minimize some terms of the loss; the feature variance six times on the way.

    A weight decay of 8 shows in 210 steps what one of .05 would show in 34,000: nothing in the
    alignment holds the features against it.
    """
    torch.manual_seed(0)
    model = build().train()
    model.init_weights()
    images, held_out = pictures(512, seed=0), pictures(128, seed=1)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=3e-3, weight_decay=8.0)
    variances = []
    for step in range(1, steps + 1):
        losses = model.loss(images[torch.randint(len(images), (16,))])
        optimizer.zero_grad()
        sum(losses[term] for term in terms).backward()
        optimizer.step()
        if step % (steps // 6) == 0:
            variances.append(feature_variance(model, held_out))
    return variances


@pytest.mark.slow
def test_alignment__alone_collapses_and_with_reconstruction_does_not():
    alone = train(('loss_alignment',))
    assert alone[0] > 0.5 and alone[-1] < 0.1 * alone[0]
    assert alone[0] > alone[2] > alone[-1]
    both = train(('loss_reconstruction', 'loss_alignment'))
    assert both[0] > 0.5 and min(both) > 0.5
    assert both[-1] > 5 * alone[-1]
