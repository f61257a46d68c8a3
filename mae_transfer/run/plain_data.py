"""Turns settings into plain data that a checkpoint can hold, and compares two of them."""

import json
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any, TypeAlias

import numpy as np
import torch

Plain: TypeAlias = Any  # None, bool, int, float, str, and lists and dicts of these
LONGEST = 80  # characters of a value in a sentence


def plain(value: object) -> Plain:
    """Return a copy that consists of dicts with text keys, lists, texts, numbers and None.

    A class or a function becomes its name, an object of any other kind the name of its class:
    nothing in the copy can be executed.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        return int(value) if isinstance(value, int) else float(value)
    if isinstance(value, Mapping):
        return {str(key): plain(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [plain(child) for child in value]
    if isinstance(value, set | frozenset):
        return sorted((plain(child) for child in value), key=repr)
    if isinstance(value, np.ndarray | np.generic | torch.Tensor):
        return plain(value.tolist())
    if isinstance(value, PurePath):
        return str(value)
    named = value if hasattr(value, '__qualname__') else type(value)
    return f'{named.__module__}.{getattr(named, "__qualname__", "?")}'


def differences(old: Plain, new: Plain, key: str = '') -> Iterator[tuple[str, Plain, Plain]]:
    """Walk the smallest parts in which two plain values differ.

    An absent key is the same as None. Lists of different lengths differ as a whole, and so do a
    block with a type and None.

    Args:
        old: A plain value.
        new: Another one.
        key: Dotted key of both.

    Yields:
        Dotted key, old and new value.
    """
    if _is_block(old, new) and _is_block(new, old):
        old, new = old or {}, new or {}
        for name in dict.fromkeys([*old, *new]):
            dotted = f'{key}.{name}' if key else name
            yield from differences(old.get(name), new.get(name), dotted)
    elif isinstance(old, list) and isinstance(new, list) and _match(old, new):
        for i, (former, latter) in enumerate(zip(old, new, strict=True)):
            yield from differences(former, latter, f'{key}.{i}')
    elif json.dumps(old, sort_keys=True) != json.dumps(new, sort_keys=True):  # NaN equals NaN
        yield key, old, new


def _is_block(value: Plain, other: Plain) -> bool:
    """Return whether this is a block, or no block at all in place of one without a type."""
    absent = value is None and isinstance(other, dict) and 'type' not in other
    return isinstance(value, dict) or absent


def _match(old: list, new: list) -> bool:
    """Return whether two lists hold blocks that can be compared one by one."""
    return len(old) == len(new) and all(isinstance(child, dict | list) for child in [*old, *new])


def in_words(value: Plain) -> str:
    """Shorten a plain value for a sentence; a block with a type is that type."""
    text = _text(value)
    return text if len(text) <= LONGEST else f'{text[: LONGEST - 3]}...'


def _text(value: Plain) -> str:
    if value is None:
        return 'not set'
    if isinstance(value, dict):
        if 'type' in value:
            return str(value['type'])
        return '{' + ', '.join(f'{key}: {_text(child)}' for key, child in value.items()) + '}'
    if isinstance(value, list):
        return f'[{", ".join(map(_text, value))}]'
    return repr(value)
