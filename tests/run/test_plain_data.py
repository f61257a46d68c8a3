"""Settings as plain data, and where two of them differ."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict

from mae_transfer.run.plain_data import LONGEST, differences, in_words, plain


class Odd:
    """An object that no file should hold."""


@pytest.mark.parametrize(
    'value, expected',
    [
        (None, None),
        (True, True),
        (np.float64(0.5), 0.5),
        (np.arange(3), [0, 1, 2]),
        (torch.tensor(0.25, dtype=torch.float64), 0.25),
        ((1, 'a'), [1, 'a']),
        ({'b', 'a'}, ['a', 'b']),
        (Path('a/b'), 'a/b'),
        (ConfigDict(a=dict(b=(1,))), {'a': {'b': [1]}}),
        ({3: 1}, {'3': 1}),
        (torch.nn.ReLU, 'torch.nn.modules.activation.ReLU'),
        (torch.bfloat16, 'torch.dtype'),
        (Odd(), f'{__name__}.Odd'),
    ],
)
def test_plain__by_hand(value, expected):
    found = plain(value)
    assert found == expected and type(found) is type(expected)
    assert json.loads(json.dumps(found)) == expected


def test_differences__are_the_smallest_parts():
    old = dict(a=1, b=dict(c=2, d=None), e=[dict(f=1), dict(g=2)], h=[1, 2], i=float('nan'), n=[{}])
    new = dict(a=1, b=dict(c=3), e=[dict(f=1), dict(g=5)], h=[1, 3], i=float('nan'), n=[{}, {}])
    expected = [('b.c', 2, 3), ('e.1.g', 2, 5), ('h', [1, 2], [1, 3]), ('n', [{}], [{}, {}])]
    assert list(differences(old, new)) == expected
    assert list(differences(dict(a=None), dict(a=dict(b=1)))) == [('a.b', None, 1)]
    typed = dict(type='A', b=1)
    assert list(differences(dict(a=typed), dict(c=2))) == [('a', typed, None), ('c', None, 2)]


@pytest.mark.parametrize(
    'value, expected',
    [
        (None, 'not set'),
        (1e-4, '0.0001'),
        ('a', "'a'"),
        (dict(type='EMAHook', momentum=0.1), 'EMAHook'),
        ([dict(type='A'), {'b': 1}], '[A, {b: 1}]'),
    ],
)
def test_in_words__by_hand(value, expected):
    assert in_words(value) == expected


def test_in_words__are_short():
    assert len(in_words(list(range(1000)))) == LONGEST
