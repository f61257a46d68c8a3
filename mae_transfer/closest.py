"""Suggests known names that resemble an unknown one, for error messages."""

import difflib
from collections.abc import Iterable, Mapping


def closest(name: str, known: Iterable[str], otherwise: str = 'no known name is similar') -> str:
    """Compose a hint such as 'the closest are A, B, C'.

    Args:
        name: The unknown name.
        known: The known names; a mapping adds the location of each, as in 'A (module)'.
        otherwise: The hint if nothing resembles ``name``; it may say where names are listed.
    """
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    if isinstance(known, Mapping):
        near = [f'{found} ({known[found]})' for found in near]
    return f'the closest are {", ".join(near)}' if near else otherwise
