"""Losses of masked pre-training: last step, prediction and target -> one number."""

from torch import Tensor, nn

from mae_transfer.registry import MODELS


def masked_patch_mse(pred: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error over hidden patches (He et al. 2021, section 3).

    The mean runs over the hidden patches of the whole batch, sum over sum, as in MAE's code.

    Args:
        pred: (B, L, D).
        target: (B, L, D).
        mask: (B, L), True or 1 = hidden.

    Returns:
        A scalar, computed in float32.
    """
    errors = (pred.float() - target.float()).square().mean(dim=-1)  # (B, L)
    mask = mask.to(errors.dtype)
    return (errors * mask).sum() / mask.sum()


@MODELS.register_module()
class MaskedPatchLoss(nn.Module):
    """:func:`masked_patch_mse` as the head of a pre-training model."""

    def loss(self, pred: Tensor, target: Tensor, mask: Tensor) -> Tensor:
        """See :func:`masked_patch_mse`."""
        return masked_patch_mse(pred, target, mask)
