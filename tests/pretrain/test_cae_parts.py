"""CAE's regressor, decoder and neck against loops, and against their rules."""

import pytest
import torch
from torch import nn

from mae_transfer.layers.pos_embed import sincos_pos_embed
from mae_transfer.pretrain.cae_decoder import LatentDecoder
from mae_transfer.pretrain.cae_loss import ContextLoss
from mae_transfer.pretrain.cae_neck import ContextNeck
from mae_transfer.pretrain.cae_regressor import LatentRegressor, RegressorBlock
from mae_transfer.pretrain.cae_targets import complete, hidden_targets, split_views
from tests.references.naive_cae import (
    naive_alignment,
    naive_decoder,
    naive_regressor,
    naive_regressor_block,
    naive_token_loss,
)
from tests.support.weights import randomize

D, HEADS, V, M = 8, 2, 3, 4


def tokens() -> tuple[torch.Tensor, ...]:
    """Visible tokens, their positions, hidden tokens, their positions, of two images."""
    return (
        torch.randn(2, V, D), torch.randn(2, V, D), torch.randn(2, M, D), torch.randn(2, M, D)
    )  # fmt: skip


# ---- the regressor


@torch.no_grad()
def test_regressor_block__equals_the_loop():
    block = randomize(RegressorBlock(D, HEADS))
    visible, pos_visible, hidden, pos_hidden = tokens()
    found = block(hidden, visible, pos_hidden, pos_visible)
    for image in range(2):
        one = (hidden[image], visible[image], pos_hidden[image], pos_visible[image])
        torch.testing.assert_close(
            found[image], naive_regressor_block(block, *one), rtol=1e-4, atol=1e-5
        )


@torch.no_grad()
def test_regressor__equals_the_loop():
    regressor = randomize(LatentRegressor(D, num_layers=3, num_heads=HEADS))
    visible, pos_visible, _, pos_hidden = tokens()
    found = regressor(visible, pos_visible, pos_hidden)
    for image in range(2):
        expected = naive_regressor(regressor, visible[image], pos_visible[image], pos_hidden[image])
        torch.testing.assert_close(found[image], expected, rtol=1e-4, atol=1e-5)


def test_regressor_block__second_residual_starts_from_the_normalized_state():
    """Without branches a pre-norm block would give its input; this one gives its norm."""
    block = RegressorBlock(D, HEADS)
    nn.init.zeros_(block.ls1.gamma)
    nn.init.zeros_(block.ls2.gamma)
    visible, pos_visible, hidden, pos_hidden = tokens()
    found = block(hidden, visible, pos_hidden, pos_visible)
    torch.testing.assert_close(found, nn.functional.layer_norm(hidden, (D,), eps=1e-6))


def test_regressor__every_block_sees_the_same_visible_tokens_and_fresh_hidden_ones():
    """Positions come again at every block; values have none."""
    regressor = randomize(LatentRegressor(D, num_layers=3, num_heads=HEADS))
    visible, pos_visible, _, pos_hidden = tokens()
    seen, values = [], []
    for block in regressor.blocks:
        block.register_forward_pre_hook(lambda _, args: seen.append(args))
        block.norm1_v.register_forward_pre_hook(lambda _, args: values.append(args[0]))
    regressor(visible, pos_visible, pos_hidden)
    assert len(seen) == len(values) == 3
    for (x, v, p_x, p_v), value in zip(seen, values, strict=True):
        torch.testing.assert_close(v, visible)
        torch.testing.assert_close(p_x, pos_hidden)
        torch.testing.assert_close(p_v, pos_visible)
        torch.testing.assert_close(value, torch.cat([visible, x], dim=1))
    assert not torch.allclose(seen[1][0], seen[0][0])
    assert not torch.allclose(seen[2][0], seen[1][0])


def test_regressor__gradient_reaches_visible_tokens_through_keys_and_through_values():
    """Each way alone: with the other cut off, the visible tokens still get a gradient."""
    for cut in ('norm1_k', 'norm1_v'):
        regressor = randomize(LatentRegressor(D, num_layers=2, num_heads=HEADS))
        for block in regressor.blocks:
            getattr(block, cut).register_forward_hook(lambda _, __, out: out.detach())
        visible, pos_visible, _, pos_hidden = tokens()
        visible.requires_grad_()
        regressor(visible, pos_visible, pos_hidden).square().sum().backward()
        assert (visible.grad.abs().sum(-1) > 0).all()


def test_regressor__order_of_the_visible_tokens_does_not_count():
    regressor = randomize(LatentRegressor(D, num_layers=2, num_heads=HEADS))
    visible, pos_visible, _, pos_hidden = tokens()
    turned = regressor(visible.flip(1), pos_visible.flip(1), pos_hidden)
    torch.testing.assert_close(turned, regressor(visible, pos_visible, pos_hidden))


# ---- the decoder


@torch.no_grad()
@pytest.mark.parametrize('num_layers', [0, 2])
def test_decoder__equals_the_loop(num_layers):
    decoder = randomize(LatentDecoder(11, D, num_layers, HEADS))
    _, _, latent, positions = tokens()
    found = decoder(latent, positions)
    assert found.shape == (2, M, 11)
    for image in range(2):
        torch.testing.assert_close(
            found[image],
            naive_decoder(decoder, latent[image], positions[image]),
            rtol=1e-4,
            atol=1e-5,
        )


@pytest.mark.parametrize('part', [LatentRegressor, LatentDecoder])
def test_drop_path__grows_linearly_in_each_part(part):
    first = () if part is LatentRegressor else (5,)
    blocks = part(*first, D, 4, HEADS, drop_path_rate=0.3).blocks
    rates = [
        max([m.drop_prob for m in block.modules() if hasattr(m, 'drop_prob')], default=0.0)
        for block in blocks
    ]
    assert rates == pytest.approx([0.0, 0.1, 0.2, 0.3])


# ---- the neck


def indices(batch: int, num_patches: int, hidden: int) -> tuple[torch.Tensor, torch.Tensor]:
    order = torch.rand(batch, num_patches).argsort(1)
    return order[:, hidden:], order[:, :hidden]


def test_neck__gives_each_patch_its_own_position():
    """The row is in the first half of the channels (order 'yx'); H != W."""
    neck = randomize(ContextNeck(D, (2, 3), 5, D, 1, 1, HEADS))
    neck.pos_embed.data.copy_(sincos_pos_embed(D, (2, 3), 'yx', 0))
    ids_keep, ids_mask = indices(2, 6, M)
    visible = torch.randn(2, 6 - M, D)
    latent, pred = neck(visible, ids_keep, ids_mask, (2, 3))
    pos_visible = torch.stack([neck.pos_embed[0, ids] for ids in ids_keep])
    pos_hidden = torch.stack([neck.pos_embed[0, ids] for ids in ids_mask])
    torch.testing.assert_close(latent, neck.regressor(visible, pos_visible, pos_hidden))
    torch.testing.assert_close(pred, neck.decoder(latent, pos_hidden))


def test_neck__projects_only_where_the_widths_differ():
    assert isinstance(ContextNeck(D, (2, 2), 5, D, 1, 1, HEADS).projection, nn.Identity)
    neck = ContextNeck(D, (2, 2), 5, 12, 1, 1, HEADS)
    shapes = {name: tuple(p.shape) for name, p in neck.projection.named_parameters()}
    assert shapes == {'0.weight': (12, D), '0.bias': (12,), '1.weight': (12,), '1.bias': (12,)}
    assert neck.projection[1].eps == 1e-6
    ids_keep, ids_mask = indices(2, 4, 2)
    latent, pred = neck(torch.randn(2, 2, D), ids_keep, ids_mask, (2, 2))
    assert latent.shape == (2, 2, 12) and pred.shape == (2, 2, 5)


def test_neck__interpolates_positions_to_another_grid():
    neck = ContextNeck(D, (4, 4), 5, D, 1, 1, HEADS)
    ids_keep, ids_mask = indices(1, 15, 7)
    latent, _ = neck(torch.randn(1, 8, D), ids_keep, ids_mask, (3, 5))
    assert latent.shape == (1, 7, D) and latent.isfinite().all()


def test_neck__hands_its_options_to_both_parts():
    neck = ContextNeck(
        D, (2, 2), 5, D, 2, 2, HEADS, 3.0, 0.2, drop_path_rate=0.3, norm_eps=1e-3
    )  # fmt: skip
    for part in (neck.regressor, neck.decoder):
        last = part.blocks[-1]
        assert max(m.drop_prob for m in last.modules() if hasattr(m, 'drop_prob')) == 0.3
        assert last.mlp.fc1.out_features == 3 * D
        assert last.ls1.gamma.unique().item() == pytest.approx(0.2)
        assert {m.eps for m in part.modules() if isinstance(m, nn.LayerNorm)} == {1e-3}


# ---- losses, views and targets


def test_context_loss__equals_the_loops():
    head = ContextLoss(dict(type='TokenLoss'), align_weight=2.0)
    pred, target = torch.randn(2, M, 5), torch.randint(5, (2, M))
    latent, latent_target = torch.randn(2, M, D), torch.randn(2, M, D)
    losses = head.loss(pred, target, latent, latent_target)
    assert set(losses) == {'loss_reconstruction', 'loss_alignment'}
    torch.testing.assert_close(
        losses['loss_reconstruction'].item(),
        naive_token_loss(pred, target, torch.ones(2, M)),
        rtol=1e-5,
        atol=0,
    )
    torch.testing.assert_close(
        losses['loss_alignment'].item(),
        2 * naive_alignment(latent, latent_target),
        rtol=1e-5,
        atol=0,
    )


def test_context_loss__no_gradient_passes_into_the_latent_target():
    head = ContextLoss(dict(type='TokenLoss'))
    latent = torch.randn(2, M, D, requires_grad=True)
    latent_target = torch.randn(2, M, D, requires_grad=True)
    losses = head.loss(torch.randn(2, M, 5), torch.randint(5, (2, M)), latent, latent_target)
    losses['loss_alignment'].backward()
    assert latent_target.grad is None and latent.grad.abs().sum() > 0


def test_context_loss__alignment_is_computed_in_float32():
    head = ContextLoss(dict(type='TokenLoss'), align_weight=1.0)
    latent, latent_target = torch.randn(2, M, D).bfloat16(), torch.randn(2, M, D).bfloat16()
    pred, target = torch.randn(2, M, 5), torch.randint(5, (2, M))
    loss = head.loss(pred, target, latent, latent_target)['loss_alignment']
    expected = (latent.double() - latent_target.double()).square().mean()
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss.double(), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize('target', [torch.arange(12).view(2, 6), torch.randn(2, 6, 3)])
def test_hidden_targets__are_those_of_the_hidden_patches(target):
    ids_keep, ids_mask = indices(2, 6, M)
    found = hidden_targets(target, ids_keep, ids_mask)
    for image in range(2):
        for place, patch in enumerate(ids_mask[image]):
            torch.testing.assert_close(found[image, place], target[image, patch])


def test_hidden_targets__must_be_one_per_patch():
    ids_keep, ids_mask = indices(2, 6, M)
    with pytest.raises(ValueError, match='24 targets for 6 patches'):
        hidden_targets(torch.zeros(2, 24), ids_keep, ids_mask)


def test_complete__keeps_what_is_visible():
    targets, pred = torch.tensor([[2, 0, 1]]), torch.randn(1, 2, 4)
    found = complete(targets, pred, torch.tensor([[2, 0]]))
    torch.testing.assert_close(found[0, [2, 0]], pred[0])
    assert found[0, 1].tolist() == [1, 0, 0, 0]


def test_split_views__one_or_two():
    one, two = torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 4, 4)
    assert all(view is one for view in split_views(one))
    assert all(a is b for a, b in zip(split_views([one, two]), (one, two), strict=True))
    with pytest.raises(ValueError, match='3 views'):
        split_views([one, one, one])
