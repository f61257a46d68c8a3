"""Losses of masked pre-training: last step, prediction and target -> one number."""

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
