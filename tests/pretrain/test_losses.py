"""The losses against their formulas, by hand and by a loop, and their precision."""

import math

import pytest
import torch

from mae_transfer.pretrain.losses import MaskedPatchLoss, TokenLoss, masked_token_cross_entropy
from tests.references.naive_cae import naive_token_loss


def test_token_loss__by_hand():
    """Two codes, logits 0 and ln 3: -ln(3/4) for the second code, -ln(1/4) for the first."""
    logits = torch.tensor([[[0.0, math.log(3)]] * 3])
    tokens = torch.tensor([[1, 0, 0]])
    mask = torch.tensor([[1, 1, 0]])
    expected = -(math.log(3 / 4) + math.log(1 / 4)) / 2
    torch.testing.assert_close(
        masked_token_cross_entropy(logits, tokens, mask), torch.tensor(expected)
    )


def test_token_loss__equals_the_loop():
    logits, tokens = torch.randn(3, 7, 11), torch.randint(11, (3, 7))
    mask = torch.rand(3, 7) < 0.5
    loss = TokenLoss().loss(logits, tokens, mask)
    torch.testing.assert_close(
        loss.item(), naive_token_loss(logits, tokens, mask), rtol=1e-5, atol=0
    )


def test_token_loss__visible_patches_do_not_count():
    logits, tokens = torch.randn(2, 6, 5, requires_grad=True), torch.randint(5, (2, 6))
    mask = torch.tensor([[1, 0, 1, 0, 1, 0], [0, 1, 0, 1, 1, 0]])
    loss = TokenLoss().loss(logits, tokens, mask)
    loss.backward()
    assert not logits.grad[mask == 0].any()
    assert (logits.grad[mask == 1] != 0).all()
    changed = torch.where(mask == 0, (tokens + 1) % 5, tokens)
    torch.testing.assert_close(TokenLoss().loss(logits, changed, mask), loss)


def test_token_loss__left_out_patches_count_as_zero():
    logits, tokens = torch.randn(1, 4, 5), torch.randint(5, (1, 4))
    mask = torch.ones(1, 4)
    left_out = torch.tensor([[False, True, False, False]])
    kept = TokenLoss().loss(logits[:, [0, 2, 3]], tokens[:, [0, 2, 3]], mask[:, :3])
    loss = TokenLoss().loss(logits, tokens, mask, left_out)
    torch.testing.assert_close(loss, kept * 3 / 4)


@pytest.mark.parametrize('autocast', [True, False])
def test_token_loss__is_computed_in_float32(autocast):
    logits = torch.randn(2, 4, 8192).bfloat16()
    tokens = torch.randint(8192, (2, 4))
    with torch.autocast('cpu', torch.bfloat16, enabled=autocast):
        loss = TokenLoss().loss(logits, tokens, torch.ones(2, 4))
    expected = torch.nn.functional.cross_entropy(logits.double().flatten(0, 1), tokens.flatten())
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss.double(), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    'target', [torch.zeros(2, 4), torch.zeros(2, 5, dtype=torch.long), torch.zeros(2, 4, 8)]
)
def test_token_loss__refuses_targets_that_are_no_tokens(target):
    with pytest.raises(ValueError, match='one int64 token for each prediction'):
        TokenLoss().loss(torch.zeros(2, 4, 8), target, torch.ones(2, 4))


def test_patch_loss__is_computed_in_float32():
    """Differences of numbers near 100, which bfloat16 would round to halves."""
    pred, target = (100 + torch.randn(2, 4, 12)).bfloat16(), 100 + torch.randn(2, 4, 12)
    mask = torch.tensor([[1, 0, 1, 1], [0, 1, 1, 1]])
    for shown in (target, target.bfloat16()):
        errors = (pred.double() - shown.double()).square().mean(-1)
        loss = MaskedPatchLoss().loss(pred, shown, mask)
        assert loss.dtype == torch.float32
        expected = errors[mask == 1].mean()
        torch.testing.assert_close(loss.double(), expected, rtol=1e-5, atol=0)
