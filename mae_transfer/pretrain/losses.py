"""Losses of masked pre-training: from predictions and targets of hidden patches to one number."""

import torch.nn.functional as F
from torch import Tensor, nn

from mae_transfer.registry import MODELS


def masked_patch_mse(
    pred: Tensor, target: Tensor, mask: Tensor, left_out: Tensor | None = None
) -> Tensor:
    """Mean squared error over hidden patches (He et al. 2021, section 3).

    The mean runs over the hidden patches of the whole batch, sum over sum, as in MAE's code. With
    pixels as target it equals the mean of squared error times mask over whole images, divided by
    the share of hidden patches, as IcarusWizard/MAE writes it for CIFAR-10.

    Args:
        pred: (B, L, D).
        target: (B, L, D).
        mask: (B, L), True or 1 = hidden.
        left_out: (B, L), True = hidden, but its error counts as zero; the divisor stays.

    Returns:
        A scalar, computed in float32.

    Raises:
        ValueError: If prediction and target differ in shape, so that one would be repeated.
    """
    if pred.shape != target.shape:
        raise ValueError(
            f'targets have the shape {tuple(target.shape)}, predictions {tuple(pred.shape)}: set '
            "out_dims of the decoder to the target's last number"
        )
    errors = (pred.float() - target.float()).square().mean(dim=-1)  # (B, L)
    return _mean_over_hidden(errors, mask, left_out)


def masked_token_cross_entropy(
    logits: Tensor, tokens: Tensor, mask: Tensor, left_out: Tensor | None = None
) -> Tensor:
    """Mean cross-entropy over hidden patches (BEiT, https://arxiv.org/abs/2106.08254, eq. 3).

    Args:
        logits: (B, L, K), one number per token of the codebook.
        tokens: (B, L), int64 in [0, K).
        mask: (B, L), True or 1 = hidden.
        left_out: See :func:`masked_patch_mse`.

    Returns:
        A scalar, computed in float32.

    Raises:
        ValueError: If there is not one token for each prediction, or a token is not a whole number.
    """
    if tokens.shape != logits.shape[:-1] or tokens.is_floating_point():
        raise ValueError(
            f'targets have the shape {tuple(tokens.shape)} and are {tokens.dtype}, predictions '
            f'{tuple(logits.shape)}: a token loss takes one int64 token for each prediction, from '
            'a target_generator such as TokenTarget'
        )
    # In float32: the sum over thousands of codes loses digits in half precision.
    errors = F.cross_entropy(logits.float().flatten(0, 1), tokens.flatten(), reduction='none')
    return _mean_over_hidden(errors.view_as(tokens), mask, left_out)


def _mean_over_hidden(errors: Tensor, mask: Tensor, left_out: Tensor | None) -> Tensor:
    """(B, L) -> scalar: sum over the hidden patches of the batch, divided by their number."""
    mask = mask.to(errors.dtype)
    scored = mask if left_out is None else mask.masked_fill(left_out, 0)
    return (errors * scored).sum() / mask.sum()


@MODELS.register_module()
class MaskedPatchLoss(nn.Module):
    """:func:`masked_patch_mse` as the head of a pre-training model."""

    def loss(
        self, pred: Tensor, target: Tensor, mask: Tensor, left_out: Tensor | None = None
    ) -> Tensor:
        """See :func:`masked_patch_mse`."""
        return masked_patch_mse(pred, target, mask, left_out)


@MODELS.register_module()
class TokenLoss(nn.Module):
    """:func:`masked_token_cross_entropy` as the head of a pre-training model."""

    def loss(
        self, pred: Tensor, target: Tensor, mask: Tensor, left_out: Tensor | None = None
    ) -> Tensor:
        """See :func:`masked_token_cross_entropy`."""
        return masked_token_cross_entropy(pred, target, mask, left_out)
