"""Which view and which targets of a context autoencoder belong to which patches."""

import torch
import torch.nn.functional as F
from torch import Tensor


def split_views(inputs: Tensor | list[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the encoder's view of a batch and the target generator's.

    Args:
        inputs: (B, C, H, W), one view for both, or a list of two views.

    Raises:
        ValueError: If there are more than two views, or fewer.
    """
    if isinstance(inputs, Tensor):
        return inputs, inputs
    if len(inputs) != 2:
        raise ValueError(
            f'the data give {len(inputs)} views of a picture, but ContextAutoencoder takes one, or '
            'two: that of the encoder and that of the target_generator (TwoSizeCrop)'
        )
    return inputs[0], inputs[1]


def hidden_targets(targets: Tensor, ids_keep: Tensor, ids_mask: Tensor) -> Tensor:
    """Select the targets of the hidden patches.

    Args:
        targets: One per patch, tokens (B, L) or values (B, L, out_dims).
        ids_keep: Visible patches, (B, V).
        ids_mask: Hidden patches, (B, M), M = L - V.

    Returns:
        (B, M) or (B, M, out_dims).

    Raises:
        ValueError: If there is not one target for each patch.
    """
    num_patches = ids_keep.shape[1] + ids_mask.shape[1]
    if targets.shape[1] != num_patches:
        raise ValueError(
            f'target_generator gives {targets.shape[1]} targets for {num_patches} patches: its '
            "view must have as many places as the encoder's view has patches, such as 112 pixels "
            'for tokens of 8 beside 224 pixels for patches of 16'
        )
    return targets[torch.arange(len(targets), device=targets.device).unsqueeze(1), ids_mask]


def complete(targets: Tensor, pred: Tensor, ids_mask: Tensor) -> Tensor:
    """Put predictions of the hidden patches among the targets of the others.

    Args:
        targets: One per patch, tokens (B, L) or values (B, L, out_dims).
        pred: (B, M, out_dims).
        ids_mask: Hidden patches, (B, M).

    Returns:
        (B, L, out_dims), float32; a token of a visible patch is 1 in its place and 0 elsewhere.
    """
    if not targets.is_floating_point():
        targets = F.one_hot(targets, pred.shape[-1])
    return targets.float().scatter(1, ids_mask.unsqueeze(-1).expand_as(pred), pred.float())
