"""Imports by the module names of earlier releases: one sentence that says where things are now."""

import importlib

import pytest

from mae_transfer.compat.moved import MOVED


@pytest.mark.parametrize('old', sorted(MOVED))
def test_moved__an_old_import_fails_with_the_new_place(old):
    with pytest.raises(ImportError) as caught:
        importlib.import_module(f'mae_transfer.{old}')
    assert str(caught.value) == f'mae_transfer.{old} was removed: its contents are in {MOVED[old]}'


@pytest.mark.parametrize(
    'line',
    [
        'import mae_transfer.transfer.simple_fpn',
        'from mae_transfer.transfer import SimpleFPN',
        'from mae_transfer.transfer.checkpoint import load_pretrained',
    ],
)
def test_moved__all_ways_of_importing(line):
    with pytest.raises(ImportError, match=r'mae_transfer\.necks .* mae_transfer\.checkpoints'):
        exec(line, {})


@pytest.mark.parametrize('new', [place for place in MOVED.values() if ' ' not in place])
def test_moved__the_new_place_exists(new):
    assert importlib.import_module(new)


def test_moved__other_names_stay_unknown():
    with pytest.raises(ModuleNotFoundError, match="No module named 'mae_transfer.nothing'"):
        importlib.import_module('mae_transfer.nothing')
