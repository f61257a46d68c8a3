"""CAE's block sampler image by image, proposal by proposal, patch by patch."""

import math
from collections.abc import Callable


def naive_block_mask(
    grid: tuple[int, int],
    num_masked: int,
    uniform: Callable[[], list[float]],
    min_block: int = 16,
    max_block: int | None = None,
    min_aspect: float = 0.3,
) -> tuple[list[int], list[dict]]:
    """Sample the mask of one image.

    Args:
        grid: Rows and columns.
        num_masked: Patches to hide.
        uniform: Gives the four uniform numbers of the next proposal.
        min_block: Smallest area.
        max_block: Largest area.
        min_aspect: Smallest ratio of height to width.

    Returns:
        The mask row by row, 1 = hidden, and what is known of each block that counted.
    """
    rows, columns = grid
    mask = [[0] * columns for _ in range(rows)]
    count, blocks = 0, []
    while count < num_masked:
        budget = min(num_masked - count, max_block or num_masked)
        u = uniform()
        area = min_block + (budget - min_block) * u[0]
        low, high = math.log(1 / min_aspect), math.log(min_aspect)
        aspect = math.exp(low + (high - low) * (1 - u[1]))
        height, width = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if height >= rows or width >= columns:
            continue
        top = int(u[2] * (rows - height + 1))
        left = int(u[3] * (columns - width + 1))
        places = [(r, c) for r in range(top, top + height) for c in range(left, left + width)]
        new = [(r, c) for r, c in places if not mask[r][c]]
        if 0 < len(new) <= budget:
            for r, c in new:
                mask[r][c] = 1
            count += len(new)
            blocks.append(dict(area=area, aspect=aspect, height=height, width=width, new=len(new)))
    return [value for row in mask for value in row], blocks
