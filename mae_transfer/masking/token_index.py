"""Take visible tokens out of a sequence and put them back in their places."""

import torch
from torch import Tensor


def keep_tokens(x: Tensor, ids_keep: Tensor) -> Tensor:
    """Select the visible tokens of each image.

    Args:
        x: Patch tokens without prefix tokens, (B, L, C).
        ids_keep: Which patches stay, (B, L_keep), int64 in [0, L).

    Returns:
        Visible tokens in the order of ``ids_keep``, (B, L_keep, C).
    """
    return x.gather(1, ids_keep.unsqueeze(-1).expand(-1, -1, x.shape[-1]))


def restore_tokens(visible: Tensor, mask_token: Tensor, ids_restore: Tensor) -> Tensor:
    """Put visible tokens back in their places, and the mask token in all others.

    Args:
        visible: Visible tokens without prefix tokens, (B, L_keep, C).
        mask_token: (1, 1, C).
        ids_restore: Rank of each patch in the order 'visible first', (B, L), int64 in [0, L).

    Returns:
        Tokens in the order of the grid, (B, L, C).
    """
    b, num_keep, c = visible.shape
    hidden = mask_token.to(visible.dtype).expand(b, ids_restore.shape[1] - num_keep, c)
    return keep_tokens(torch.cat([visible, hidden], dim=1), ids_restore)


def mask_from_restore(ids_restore: Tensor, num_keep: int) -> Tensor:
    """Derive the mask from the ranks of the patches.

    Args:
        ids_restore: Rank of each patch in the order 'visible first', (B, L).
        num_keep: Visible patches of an image.

    Returns:
        (B, L), bool, True = hidden.
    """
    return ids_restore >= num_keep


def split_by_mask(mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Turn a mask into indices of its visible and its hidden patches, both ascending.

    Args:
        mask: (B, L), True or 1 = hidden; every image hides the same number of patches.

    Returns:
        ``ids_keep`` (B, L_keep), ``ids_mask`` (B, L - L_keep), ``ids_restore`` (B, L), all int64.

    Raises:
        ValueError: If images hide different numbers of patches: they could not form one batch.
    """
    mask = mask.bool()
    counts = mask.sum(1)
    if len(counts) and (counts != counts[0]).any():
        raise ValueError(
            'mask hides a different number of patches in each image '
            f'({counts.min().item()} to {counts.max().item()}): all images of a batch must hide '
            'the same number'
        )
    # Zeros, so visible patches, come first; a stable sort keeps the order of the grid in each part.
    ids_shuffle = mask.to(torch.uint8).argsort(dim=1, stable=True)
    num_keep = mask.shape[1] - (int(counts[0]) if len(counts) else 0)
    return ids_shuffle[:, :num_keep], ids_shuffle[:, num_keep:], ids_shuffle.argsort(dim=1)
