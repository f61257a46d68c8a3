"""What an error adds after a name that nobody knows."""

import difflib
from collections.abc import Iterable


def closest(name: str, known: Iterable[str]) -> str:
    """'the closest are A, B, C' or, without anything near, what to do."""
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f'the closest are {", ".join(near)}' if near else 'nothing there is named alike'
