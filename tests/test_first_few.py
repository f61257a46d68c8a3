"""Long lists in messages."""

import pytest

from mae_transfer.first_few import first_few


@pytest.mark.parametrize(
    ('things', 'words'),
    [
        ([], ''),
        ([7], '7'),
        (['a', 'b', 'c'], 'a, b, c'),
        (['a', 'b', 'c', 'd', 'e'], 'a, b, c and 2 more'),
    ],
)
def test_first_few__counts_the_rest(things, words):
    assert first_few(things, 3) == words
