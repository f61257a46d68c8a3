"""Trees of plain values: their leaves, how two of them differ, and how one is stated by another."""

import copy
import math
from collections.abc import Iterable, Iterator

Tree = dict[str, object]


def name_of(key: object) -> str:
    """A key as a part of a dotted key; ``<0>`` is a key of a dict, ``0`` a place of a list."""
    return key if isinstance(key, str) and key.isidentifier() else f'<{key!r}>'


def holds_dicts(value: object) -> bool:
    """Whether a list has dicts in it, at any depth."""
    if isinstance(value, list | tuple):
        return any(holds_dicts(child) for child in value)
    return isinstance(value, dict)


def leaves(tree: object, above: str = '') -> dict[str, object]:
    """Dotted key -> value.

    An empty dict, an empty list and a list of plain values are leaves; a list of dicts, such as a
    pipeline, is entered place by place.
    """
    return dict(_walk(tree, above))


def _walk(node: object, above: str) -> Iterator[tuple[str, object]]:
    if isinstance(node, dict) and node:
        children: Iterable = ((name_of(key), child) for key, child in node.items())
    elif isinstance(node, list | tuple) and holds_dicts(node):
        children = enumerate(node)
    else:
        yield above, node
        return
    for name, child in children:
        yield from _walk(child, f'{above}.{name}' if above else str(name))


def same(stated: object, found: object) -> bool:
    """Whether two values are equal and of one type; a tuple may equal a list."""
    if isinstance(stated, list | tuple) and isinstance(found, list | tuple):
        return len(stated) == len(found) and all(map(same, stated, found))
    if isinstance(stated, dict) and isinstance(found, dict):
        return stated.keys() == found.keys() and all(same(stated[k], found[k]) for k in stated)
    if isinstance(stated, float) and isinstance(found, float):
        return math.isclose(stated, found, rel_tol=1e-12)
    return type(stated) is type(found) and stated == found


def compare(stated: object, found: object) -> list[str]:
    """A line for each leaf that only one tree has or that is not the same in both."""
    ours, theirs = leaves(stated), leaves(found)
    rows = []
    for key in {**ours, **theirs}:
        if key not in theirs:
            rows.append(f'{key}: stated {ours[key]!r}, found nothing')
        elif key not in ours:
            rows.append(f'{key}: stated nowhere, found {theirs[key]!r}')
        elif not same(ours[key], theirs[key]):
            rows.append(f'{key}: stated {ours[key]!r}, found {theirs[key]!r}')
    return rows


def combine(*parts: Tree) -> Tree:
    """One tree of several parts.

    Raises:
        ValueError: A leaf is stated by two of them.
    """
    whole: Tree = {}
    for part in parts:
        for key, value in part.items():
            if key not in whole:
                whole[key] = copy.deepcopy(value)
            elif isinstance(whole[key], dict) and isinstance(value, dict):
                whole[key] = combine(whole[key], value)
            else:
                raise ValueError(f'{key!r} is stated by two parts: state it in one.')
    return whole


def place(tree: Tree, key: str) -> tuple[dict | list, str | int]:
    """Find the dict or list that holds a dotted key, and the name or index in it."""
    node: object = tree
    *names, last = key.split('.')
    for name in names:
        node = node[int(name)] if isinstance(node, list | tuple) else node[name]
    return node, int(last) if isinstance(node, list) else last


def change(tree: Tree, *differences: Tree, without: Iterable[str] = ()) -> Tree:
    """A copy of a tree with differences.

    Args:
        tree: A family.
        differences: Dotted keys with their values, one dict after the other. A value may be a
            whole part; the index after the last one of a list appends to it.
        without: Dotted keys that are dropped first.

    Raises:
        ValueError: A difference changes nothing.
    """
    changed = copy.deepcopy(tree)
    for key in without:
        node, name = place(changed, key)
        del node[name]
    for group in differences:
        for key, value in group.items():
            node, name = place(changed, key)
            there = name < len(node) if isinstance(node, list) else name in node
            if there and same(node[name], value):
                raise ValueError(f'{key} is {value!r} without this difference: drop it.')
            if isinstance(node, list) and not there:
                node.insert(name, copy.deepcopy(value))
            else:
                node[name] = copy.deepcopy(value)
    return changed
