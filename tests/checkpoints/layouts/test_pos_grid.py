import pytest

from mae_transfer.checkpoints.layouts.pos_grid import find_pos_grid, square_grids


@pytest.mark.parametrize(
    'length, registers, stated, own, expected',
    [
        (197, 0, None, None, (14, 14)),
        (196, 0, None, (32, 32), (14, 14)),
        (14 * 14 + 5, 4, None, None, (14, 14)),  # class and four register tokens
        (17, 0, [2, 8], (4, 4), (2, 8)),  # a stated grid counts more than a square
        (22, 0, None, (3, 7), (3, 7)),  # the encoder's own, which is no square
    ],
)
def test_find_pos_grid__from_rows(length, registers, stated, own, expected):
    assert find_pos_grid(length, registers, stated, own, '') == expected


@pytest.mark.parametrize(
    'length, stated, own, words',
    [
        (22, None, None, '22 rows, which match no square grid .*: do this'),
        (22, None, (4, 4), '22 rows, which match no square grid .*: do this'),
        (25, None, (4, 6), "25 rows, which may be 5x5 or the encoder's 4x6: do this"),
        (17, [3, 4], None, 'pos_grid=3x4 has 12 places, but pos_embed of the file has 17 rows'),
    ],
)
def test_find_pos_grid__unclear(length, stated, own, words):
    with pytest.raises(ValueError, match=words):
        find_pos_grid(length, 0, stated, own, 'do this')


def test_find_pos_grid__several_squares():
    """Four rows of register tokens and a class row: 5 = 2x2 + 1 = 1x1 + 4."""
    with pytest.raises(ValueError, match='5 rows, which may be 1x1 or 2x2: do this'):
        find_pos_grid(5, 4, None, None, 'do this')


def test_square_grids__of_few_rows():
    assert square_grids(1, 0) == {(1, 1)}
    assert square_grids(2, 0) == {(1, 1)}
    assert square_grids(3, 0) == set()
