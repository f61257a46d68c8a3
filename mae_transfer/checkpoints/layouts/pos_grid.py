"""Finds the grid of a table of absolute positions: its rows and columns of patches."""

import math
from collections.abc import Sequence


def find_pos_grid(
    length: int,
    num_registers: int,
    stated: Sequence[int] | None,
    own: tuple[int, int] | None,
    advice: str,
) -> tuple[int, int]:
    """Find the rows and columns of a table of positions.

    A stated grid takes precedence, then a square, as in all published files, then the encoder's own
    grid if the count agrees.

    Args:
        length: Rows of the table.
        num_registers: Register tokens of the file's encoder, which may have rows of their own.
        stated: Grid stated by the file or the user.
        own: Grid of the encoder that the table is for; None if there is no encoder.
        advice: How to state the grid, for the errors.

    Raises:
        ValueError: If the stated grid has another number of places, or the rows match several
            grids or none.
    """
    if stated is not None:
        h, w = stated
        if length - h * w not in _prefix_rows(num_registers):
            raise ValueError(
                f'pos_grid={h}x{w} has {h * w} places, but pos_embed of the file has {length} rows'
            )
        return h, w
    squares = square_grids(length, num_registers)
    own_fits = own is not None and length - math.prod(own) in _prefix_rows(num_registers)
    readings = squares | ({own} if own is not None and own_fits else set())
    if not readings:
        raise ValueError(
            f'pos_embed of the file has {length} rows, which match no square grid with or without '
            f'a class token, and the file does not state its grid: {advice}'
        )
    if len(readings) > 1:
        read = ' or '.join(f'{h}x{w}' for h, w in sorted(squares))
        mine = f" or the encoder's {own[0]}x{own[1]}" if own is not None and own_fits else ''
        raise ValueError(
            f'pos_embed of the file has {length} rows, which may be {read}{mine}: {advice}'
        )
    return readings.pop()


def square_grids(length: int, num_registers: int) -> set[tuple[int, int]]:
    """List the square grids that a table of this many rows may have."""
    prefix_rows = _prefix_rows(num_registers)
    sides = {math.isqrt(length - rows) for rows in prefix_rows if length > rows}
    return {(side, side) for side in sides if length - side**2 in prefix_rows}


def _prefix_rows(num_registers: int) -> set[int]:
    """Possible numbers of rows before those of the patches: class token and registers."""
    return {0, 1, num_registers, num_registers + 1}
