"""Reads the lists of mistakes, a text file for each room and for each folder of configs.

A list names a file and then, for each mistake in it, what becomes of a part of a line, what goes
wrong, and the test that fails::

    mae_transfer/masking/grid_mask.py
    - mask[::2, ::2] = False
    + mask[1::2, 1::2] = False
      The lower right patch of each 2 x 2 stays, not the upper left one.
      tests/masking/test_grid_mask.py::test_grid_mask__by_hand
"""

from pathlib import Path

from tests.planted.mistake import Mistake

LISTS = Path(__file__).parent / 'lists'


def parse(text: str, name: str = 'the list') -> list[Mistake]:
    """Read the mistakes of one list.

    Args:
        text: Its content; empty lines are skipped.
        name: How an error calls it.

    Raises:
        ValueError: An entry is incomplete; names its first line.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    mistakes, file = [], ''
    while lines:
        if not lines[0].startswith(('- ', '+', ' ')):
            file = lines.pop(0)
            continue
        entry, lines = lines[:4], lines[4:]
        starts = ('- ', '+', '  ', '  tests/')
        if not file or len(entry) < 4 or not all(map(str.startswith, entry, starts)):
            raise ValueError(f'{name}: the entry {entry[0]!r} has no file, or not four lines')
        right, wrong, meaning, test = entry
        mistakes.append(Mistake(file, right[2:], wrong[2:], meaning.strip(), test.strip()))
    return mistakes


MISTAKES = [
    mistake
    for path in sorted(LISTS.glob('*.txt'))
    for mistake in parse(path.read_text(encoding='utf-8'), path.name)
]
