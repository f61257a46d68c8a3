"""Names the first few of many things, for messages."""

from collections.abc import Sequence


def first_few(things: Sequence, most: int = 3) -> str:
    """Connect things by commas and count the rest, as in 'a, b, c and 2 more'."""
    more = f' and {len(things) - most} more' if len(things) > most else ''
    return ', '.join(map(str, things[:most])) + more
