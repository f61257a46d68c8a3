"""Grid-wise masking: one patch of each 2 x 2 stays."""

import torch
from torch import Tensor


def grid_mask(batch_size: int, grid: tuple[int, int], device: torch.device | str = 'cpu') -> Tensor:
    """Hide three of every four patches in a regular grid (He et al. 2021, figure 6, right).

    The upper left patch of each 2 x 2 stays, in every image: nothing is drawn. (The paper does not
    say which of the four stays; its code with this option was not released.)

    Args:
        batch_size: Images B.
        grid: Rows and columns of patches, both even.
        device: Where the masks live.

    Returns:
        (B, rows * columns), bool, True = hidden.

    Raises:
        ValueError: If a side of the grid is odd.
    """
    rows, columns = grid
    if rows % 2 or columns % 2:
        raise ValueError(
            f'a grid of {rows}x{columns} patches: grid masking keeps one patch of each 2x2, so '
            'both sides must be even; choose another image size'
        )
    mask = torch.ones(rows, columns, dtype=torch.bool, device=device)
    mask[::2, ::2] = False
    return mask.flatten().expand(batch_size, -1)
