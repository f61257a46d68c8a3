"""What an error adds after a name that nobody knows."""

import difflib
from collections.abc import Iterable, Mapping


def closest(name: str, known: Iterable[str]) -> str:
    """'the closest are A, B, C' or, without anything near, what to do.

    Args:
        name: What was not found.
        known: What could have been meant; a mapping also says where each is, 'A (module)'.
    """
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    if isinstance(known, Mapping):
        near = [f'{found} ({known[found]})' for found in near]
    return f'the closest are {", ".join(near)}' if near else 'nothing there is named alike'
