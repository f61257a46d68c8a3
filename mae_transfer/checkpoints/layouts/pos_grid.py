"""Finds the grid of a table of absolute positions: how many rows and columns of patches it has."""

import math
from collections.abc import Sequence, Set


def find_pos_grid(
    length: int,
    prefix_rows: Set[int],
    stated: Sequence[int] | None,
    own: tuple[int, int] | None,
    advice: str,
) -> tuple[int, int]:
    """Find the rows and columns of a table of positions.

    A stated grid counts; else it is a square, as all published files have; else the encoder's own
    grid if the count agrees.

    Args:
        length: Rows of the table.
        prefix_rows: Numbers of rows that may precede those of the patches.
        stated: What the file or the user states.
        own: Grid of the encoder that the table is for; None where there is none.
        advice: How the grid can be stated, for the errors.

    Raises:
        ValueError: If the stated grid has another number of places, or the rows allow several
            grids or none.
    """
    if stated is not None:
        h, w = stated
        if length - h * w not in prefix_rows:
            raise ValueError(
                f'pos_grid={h}x{w} has {h * w} places, but pos_embed of the file has {length} rows'
            )
        return h, w
    squares = square_grids(length, prefix_rows)
    own_fits = own is not None and length - math.prod(own) in prefix_rows
    readings = squares | ({own} if own is not None and own_fits else set())
    if not readings:
        raise ValueError(
            f'pos_embed of the file has {length} rows, which is no square grid with or without a '
            f'class token, and the file does not state its grid: {advice}'
        )
    if len(readings) > 1:
        read = ' or '.join(f'{h}x{w}' for h, w in sorted(squares))
        mine = f" or the encoder's {own[0]}x{own[1]}" if own is not None and own_fits else ''
        raise ValueError(
            f'pos_embed of the file has {length} rows, which may be {read}{mine}: {advice}'
        )
    return readings.pop()


def square_grids(length: int, prefix_rows: Set[int]) -> set[tuple[int, int]]:
    """List the square grids that a table of this many rows may have."""
    sides = {math.isqrt(length - rows) for rows in prefix_rows if length > rows}
    return {(side, side) for side in sides if length - side**2 in prefix_rows}
