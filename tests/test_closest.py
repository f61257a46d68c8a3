"""Hints after unknown names."""

import pytest

from mae_transfer.closest import closest

KNOWN = {'rate': 'optim', 'ratio': 'masking', 'window': 'layers'}


@pytest.mark.parametrize(
    'known, hint',
    [
        (KNOWN.keys(), 'the closest are ratio, rate'),
        (KNOWN, 'the closest are ratio (masking), rate (optim)'),
    ],
)
def test_closest__names_what_resembles_and_where_it_is(known, hint):
    assert closest('rati', known) == hint


def test_closest__nothing_resembles():
    assert closest('xyz', KNOWN) == 'no known name is similar'
    assert closest('xyz', KNOWN, otherwise='KNOWN lists all') == 'KNOWN lists all'
