"""Uniformly random masking, the default of MAE."""

import torch
from torch import Tensor


def count_kept(num_patches: int, mask_ratio: float) -> int:
    """Number of patches that stay visible: ``int(L * (1 - mask_ratio))``, truncated as MAE does.

    Truncation follows the float product, so 400 patches at 0.8 keep 79, not 80: the same number
    as the paper's code, hence comparable runs.

    Args:
        num_patches: Patches L of an image.
        mask_ratio: Share of hidden patches, in (0, 1).

    Raises:
        ValueError: If no patch would be hidden or none would stay.
    """
    num_keep = int(num_patches * (1 - mask_ratio))
    if not 0 < num_keep < num_patches:
        raise ValueError(
            f'mask_ratio={mask_ratio} keeps {num_keep} of {num_patches} patches: at least one must '
            'stay and one must be hidden'
        )
    return num_keep


def random_mask(
    batch_size: int,
    num_patches: int,
    mask_ratio: float,
    device: torch.device | str = 'cpu',
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Hide patches uniformly without replacement, the same number in each image.

    Each patch draws a uniform number; the smallest stay (He et al. 2021, section 3).

    Args:
        batch_size: Images B.
        num_patches: Patches L of an image.
        mask_ratio: Share of hidden patches, in (0, 1).
        device: Where the indices live.
        generator: Source of randomness; PyTorch's global one when not given.

    Returns:
        ``ids_keep`` (B, L_keep), ``ids_mask`` (B, L - L_keep), ``ids_restore`` (B, L), all int64.
        ``ids_restore`` is the rank of each patch in the order 'visible first'.
    """
    num_keep = count_kept(num_patches, mask_ratio)
    noise = torch.rand(batch_size, num_patches, device=device, generator=generator)
    ids_shuffle = noise.argsort(dim=1)
    # Sorting a permutation inverts it: from the patch of each rank to the rank of each patch.
    return ids_shuffle[:, :num_keep], ids_shuffle[:, num_keep:], ids_shuffle.argsort(dim=1)
