"""The command line of the demo; what it starts is tested in tests/demo."""

import sys

import pytest

from tests.support.tools import load_tool


@pytest.fixture
def asked(monkeypatch):
    """Run tools/demo.py with arguments and return those of compare()."""

    def run(*arguments: str) -> dict:
        calls = []
        tool = load_tool('demo')
        monkeypatch.setattr(tool, 'compare', lambda **given: calls.append(given))
        monkeypatch.setattr(sys, 'argv', ['demo.py', *arguments])
        tool.main()
        (given,) = calls
        return given

    return run


def test_demo__one_seed_of_mae(asked):
    assert asked() == dict(method='mae', seeds=[0], work_dir=None, jobs=2)


@pytest.mark.parametrize('seeds, expected', [('3', [0, 1, 2]), ('0 4 7', [0, 4, 7])])
def test_demo__how_many_seeds_or_which(asked, seeds, expected):
    assert asked('--method', 'cae', '--seeds', *seeds.split())['seeds'] == expected


@pytest.mark.parametrize(
    'arguments, words',
    [
        (('--seeds', '0'), '--seeds 0: the number of seeds must be at least 1'),
        (('--method', 'dino'), "invalid choice: 'dino'"),
    ],
)
def test_demo__rejects(asked, capsys, arguments, words):
    with pytest.raises(SystemExit):
        asked(*arguments)
    assert words in capsys.readouterr().err
