"""The lists of planted mistakes do not rot: each line is there once, and so is its test."""

from collections import Counter
from pathlib import Path

import pytest

from tests.planted.mistake import Mistake, has_test, plant
from tests.planted.mistakes import MISTAKES, parse

ROOT = Path(__file__).resolve().parents[2]


def test_mistakes__change_one_line_that_is_there_once():
    wrong = []
    for mistake in MISTAKES:
        try:
            planted = plant(mistake, (ROOT / mistake.file).read_text(encoding='utf-8'))
            if mistake.file.endswith('.py'):
                compile(planted, mistake.file, 'exec')
        except (OSError, ValueError, SyntaxError) as error:
            wrong.append(f'{mistake.name}: {error}')
    assert wrong == []


def test_mistakes__name_a_test_that_exists():
    assert [m.test for m in MISTAKES if not has_test(ROOT, m.test)] == []


def test_mistakes__name_recipes_that_exist():
    cases = [mistake.test.partition('[')[2].rstrip(']') for mistake in MISTAKES]
    recipes = [case for case in cases if case.endswith('.py')]
    assert len(recipes) >= 80
    assert [path for path in recipes if not (ROOT / 'configs' / path).is_file()] == []


def test_mistakes__are_many_and_differ():
    assert len(MISTAKES) >= 80
    assert sum(mistake.file.startswith('configs/') for mistake in MISTAKES) >= 30
    twice = [name for name, count in Counter(m.name for m in MISTAKES).items() if count > 1]
    assert twice == []
    for mistake in MISTAKES:
        assert mistake.meaning.endswith('.') and mistake.meaning[0].isupper(), mistake


TEXT = """\
file.py
- a = 1
+ a = 2
  It is two.
  tests/test_file.py::test_it
-     b = 3
+
  It is gone.
  tests/test_file.py::test_it
"""


def test_parse__by_hand():
    test = 'tests/test_file.py::test_it'
    assert parse(TEXT) == [
        Mistake('file.py', 'a = 1', 'a = 2', 'It is two.', test),
        Mistake('file.py', '    b = 3', '', 'It is gone.', test),
    ]


@pytest.mark.parametrize('line', range(9))
def test_parse__refuses_an_incomplete_entry(line):
    lines = TEXT.splitlines()
    del lines[line]
    with pytest.raises(ValueError, match='not four lines'):
        parse('\n'.join(lines))


@pytest.mark.parametrize(
    ('right', 'wrong', 'words'),
    [
        ('c = 3', 'c = 4', '0 times'),
        ('= 1', '= 2', '2 times'),
        ('b = 2', 'b = 2', 'must change'),
    ],
)
def test_plant__refuses_an_entry_that_does_not_fit(right, wrong, words):
    mistake = Mistake('file.py', right, wrong, 'It is wrong.', 'tests/test_file.py::test_it')
    with pytest.raises(ValueError, match=words):
        plant(mistake, 'a = 1\na = 1\nb = 2\n')


def test_has_test__looks_for_the_function(tmp_path):
    (tmp_path / 'test_it.py').write_text('def test_it__works(x):\n    pass\n')
    assert has_test(tmp_path, 'test_it.py::test_it__works')
    assert has_test(tmp_path, 'test_it.py::test_it__works[1-a]')
    assert not has_test(tmp_path, 'test_it.py::test_it')
    assert not has_test(tmp_path, 'test_that.py::test_it__works')
