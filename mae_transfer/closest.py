"""What an error adds after a name that nobody knows: the known names that resemble it."""

import difflib
from collections.abc import Iterable, Mapping


def closest(name: str, known: Iterable[str], otherwise: str = 'no known name is similar') -> str:
    """Word a hint such as 'the closest are A, B, C'.

    Args:
        name: What was not found.
        known: What could have been meant; a mapping also says where each is, 'A (module)'.
        otherwise: The hint where nothing resembles ``name``; it may say where names are listed.
    """
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    if isinstance(known, Mapping):
        near = [f'{found} ({known[found]})' for found in near]
    return f'the closest are {", ".join(near)}' if near else otherwise
