import math

import pytest
import torch
from torch import nn

from mae_transfer.checkpoints.files.finite import (
    broken_content,
    broken_names,
    not_finite,
    optimizer_tensors,
    persistent_buffers,
)


@pytest.mark.parametrize(
    'dtype', [torch.float64, torch.float32, torch.bfloat16, torch.float16, torch.complex64]
)
@pytest.mark.parametrize('bad', [math.nan, math.inf, -math.inf])
def test_not_finite__every_place_and_type(dtype, bad):
    """Against a scan of all values, for sizes with and without rests of vector instructions."""
    for size in (1, 3, 64, 1001):
        tensors = {}
        for place in {0, size // 2, size - 1}:
            tensors[f'bad {place}'] = torch.ones(size, dtype=dtype)
            tensors[f'bad {place}'][place] = bad
            tensors[f'good {place}'] = torch.full((size, 2), 3e4, dtype=dtype).t()
        found = not_finite(tensors)
        assert found.keys() == {n for n, t in tensors.items() if not torch.isfinite(t).all()}
        assert all(math.isnan(value) == math.isnan(bad) for value in found.values())


def test_not_finite__both_and_neither():
    odd = {
        'both': torch.tensor([math.inf, math.nan, -math.inf]),
        'largest': torch.tensor([torch.finfo(torch.float32).max] * 4),
        'whole numbers': torch.tensor([1, 2]),
        'truths': torch.tensor([True]),
        'nothing': torch.ones(0, 3),
        'scalar': torch.tensor(2.0),
        'elsewhere': torch.ones(3, device='meta'),
        'sparse': torch.tensor([0.0, math.nan]).to_sparse(),
        'parameter': nn.Parameter(torch.tensor([math.inf])),
        '8 bits': torch.tensor([1.0, 2.0]).to(torch.float8_e5m2),
        '8 bits, bad': torch.tensor([1.0, math.inf]).to(torch.float8_e5m2),
    }
    found = not_finite(odd)
    assert list(found) == ['both', 'sparse', 'parameter', '8 bits, bad']
    assert math.isnan(found['both']) and found['parameter'] == math.inf
    assert not_finite({}) == {}


def test_broken_names__what_buffers_may_hold():
    found = {'a': math.nan, 'b': math.inf, 'mask': math.inf, 'bn.running_var': math.inf}
    assert broken_names(found, ['a', 'mask', 'bn.running_var']) == ['a', 'b', 'bn.running_var']


def test_broken_content__parts():
    bad = torch.tensor([math.inf])
    content = {
        'meta': {'infinite_buffers': ['mask']},
        'state_dict': {'mask': bad, 'w': bad},
        'ema_state_dict': {'module.mask': bad, 'module.w': bad, 'steps': torch.tensor(3)},
        'optimizer': {'state': {0: {'exp_avg': bad, 'step': torch.tensor(1.0)}}, 'x': [bad]},
    }
    others = ['ema_state_dict.module.w', 'optimizer.state.0.exp_avg', 'optimizer.x.0']
    assert broken_content(content) == ['w', *others]
    assert broken_content(content, []) == [
        'mask', 'w', 'ema_state_dict.module.mask', *others
    ]  # fmt: skip
    del content['meta']
    assert broken_content(content) == others[1:]  # any may be a mask
    content['state_dict']['w'] = torch.tensor([math.nan])
    assert broken_content(content) == ['w', *others[1:]]


@pytest.mark.parametrize('content', [3, [torch.ones(1)], {}, {'meta': 3, 'optimizer': None}])
def test_broken_content__odd_ones(content):
    assert broken_content(content) == []


def test_broken_content__contains_itself():
    optimizer = {'state': {0: torch.tensor([math.nan])}}
    optimizer['again'] = [optimizer]
    assert broken_content({'optimizer': optimizer}) == ['optimizer.state.0']


def test_persistent_buffers__and_moments():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    model.register_buffer('not_saved', torch.ones(1), persistent=False)
    names = {name for name, _ in model.named_parameters()}
    assert persistent_buffers(model).keys() == model.state_dict().keys() - names
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.rand(3, 2)).sum().backward()
    optimizer.step()
    assert {name.split('.')[-1] for name in optimizer_tensors(optimizer)} == {
        'step', 'exp_avg', 'exp_avg_sq'
    }  # fmt: skip
