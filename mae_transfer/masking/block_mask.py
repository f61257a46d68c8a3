"""Block-wise masking: hidden patches form rectangles, as in BEiT and CAE.

The sampler of BEiT (Bao et al. 2021, https://arxiv.org/abs/2106.08254, algorithm 1) proposes
rectangles until the wanted number of patches is hidden. A proposal draws an area, uniform between
``min_block`` and what is still missing (at most ``max_block``), and an aspect ratio, log-uniform
between ``min_aspect`` and its inverse; both sides are rounded. It counts when both sides are
smaller than the grid's and it hides at least one new patch and not more than were missing.

Published code ends the search in two ways: BEiT's gives up after ten proposals in a row that did
not count, so its images hide different numbers of patches; CAE's continues until the count is met,
as an encoder of visible patches needs it to form batches. This one is CAE's. All images of a batch
are sampled at the same time, each with its own draws.
"""

import math

import torch
from torch import Tensor

MOST_PROPOSALS = 20_000  # some hundred are usual; only blocks that cannot fit need more


def block_mask(
    batch_size: int,
    grid: tuple[int, int],
    num_masked: int,
    min_block: int = 16,
    max_block: int | None = None,
    min_aspect: float = 0.3,
    device: torch.device | str = 'cpu',
    generator: torch.Generator | None = None,
) -> Tensor:
    """Hide exactly ``num_masked`` patches of each image in blocks, as CAE does.

    Args:
        batch_size: Images B.
        grid: Rows and columns of patches, at least 2 each.
        num_masked: Hidden patches of each image, in [1, rows * columns).
        min_block: Smallest area of a block, in patches, as long as so many are missing.
        max_block: Largest area of a block, in patches; ``num_masked`` when not given.
        min_aspect: Smallest ratio of height to width, in (0, 1]; the largest is its inverse.
        device: Where the masks live.
        generator: Source of randomness; PyTorch's global one when not given.

    Returns:
        (B, rows * columns), bool, True = hidden.

    Raises:
        ValueError: If an argument is out of range, or blocks as asked for cannot meet the count.
    """
    rows, columns = grid
    max_block = num_masked if max_block is None else max_block
    _check_arguments(grid, num_masked, min_block, max_block, min_aspect)
    row = torch.arange(rows, device=device).reshape(1, rows, 1)
    column = torch.arange(columns, device=device).reshape(1, 1, columns)
    mask = torch.zeros(batch_size, rows, columns, dtype=torch.bool, device=device)
    missing = torch.full((batch_size,), num_masked, device=device)
    active = torch.arange(batch_size, device=device)  # images that still miss patches
    for _ in range(MOST_PROPOSALS):
        budget = missing[active].clamp(max=max_block)
        # Drawn for all images, so that the mask of one does not depend on when others are done.
        uniform = torch.rand(4, batch_size, device=device, generator=generator)[:, active]
        block = propose_blocks(min_block, budget, min_aspect, grid, uniform)
        top, left, height, width = (side.reshape(-1, 1, 1) for side in block)
        inside = (row >= top) & (row < top + height) & (column >= left) & (column < left + width)
        new = inside & ~mask[active]  # (active images, rows, columns)
        added = new.sum(dim=(1, 2))
        smaller = ((height < rows) & (width < columns)).flatten()
        accepted = smaller & (added > 0) & (added <= budget)
        mask[active] |= new & accepted.reshape(-1, 1, 1)
        missing[active] -= added * accepted
        active = active[missing[active] > 0]
        if not len(active):
            return mask.flatten(1)
    raise ValueError(
        f'min_block={min_block}, max_block={max_block}, min_aspect={min_aspect}: {MOST_PROPOSALS} '
        f'blocks could not hide {num_masked} patches of a grid of {rows}x{columns}: choose a '
        'smaller min_block or min_aspect, or a larger max_block'
    )


def propose_blocks(
    smallest: int, largest: Tensor, min_aspect: float, grid: tuple[int, int], uniform: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Draw one rectangle for each image.

    Args:
        smallest: One end of the range of areas, in patches.
        largest: The other end, (B,); it may lie below ``smallest`` when few patches are missing.
        min_aspect: Smallest ratio of height to width; the largest is its inverse.
        grid: Rows and columns of patches.
        uniform: Four uniform numbers in [0, 1) for each image, (4, B).

    Returns:
        Top, left, height and width, (B,) each, whole numbers. A side may exceed the grid.
    """
    # exp of a uniform logarithm: an aspect ratio and its inverse are equally likely.
    area = smallest + (largest - smallest) * uniform[0]
    aspect = torch.exp(math.log(min_aspect) * (1 - 2 * uniform[1]))
    height, width = (area * aspect).sqrt().round(), (area / aspect).sqrt().round()
    top = ((grid[0] - height + 1) * uniform[2]).floor()
    left = ((grid[1] - width + 1) * uniform[3]).floor()
    return top, left, height, width


def _check_arguments(
    grid: tuple[int, int], num_masked: int, min_block: int, max_block: int, min_aspect: float
) -> None:
    rows, columns = grid
    if min(grid) < 2:
        raise ValueError(f'grid {rows}x{columns}: blocks are smaller than the grid in both sides')
    if not 0 < num_masked < rows * columns:
        raise ValueError(
            f'num_masked={num_masked}: must be in [1, {rows * columns - 1}] for a grid of '
            f'{rows}x{columns}'
        )
    if not 0 < min_block < rows * columns:
        raise ValueError(f'min_block={min_block}: must be in [1, {rows * columns - 1}]')
    if max_block < 1:
        raise ValueError(f'max_block={max_block}: must be at least 1')
    if not 0 < min_aspect <= 1:
        raise ValueError(f'min_aspect={min_aspect}: must be in (0, 1]')
