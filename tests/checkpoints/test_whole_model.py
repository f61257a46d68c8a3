import json

import pytest
import torch
from torch import nn

from mae_transfer.checkpoints.whole_model import account_of_model


def make_model() -> nn.Module:
    model = nn.Module()
    model.backbone = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    model.head = nn.Linear(3, 4)
    return model


def account(change=lambda state: state, allow_partial=()):
    state = change(dict(make_model().state_dict()))
    return account_of_model(make_model(), state, 'x.pth', allow_partial)


def test_account_of_model__everything_fits():
    found = account()
    assert len(found.loaded) == 9
    assert found.summary() == 'checkpoint x.pth: 9/9 tensors of the model'
    found.check(whole=True)
    json.dumps(found.to_dict())


def test_account_of_model__as_mmengine_reads_names():
    """A leading 'module.' does not count, and neither do counters that the file lacks."""
    found = account(lambda s: {f'module.{n}': t for n, t in s.items() if 'num_' not in n})
    assert len(found.loaded) == 8 and found.missing == []
    found.check(whole=True)


def test_account_of_model__another_head():
    """load_from goes on with a fresh head; resuming and evaluation do not."""
    found = account(
        lambda s: (
            (s | {'head.weight': torch.zeros(9, 3), 'neck.x': torch.ones(1)})
            | {'head.bias': torch.zeros(9)}
        )
    )
    assert found.misshapen['head.bias'] == '(9,) instead of (4,)'
    assert found.summary() == (
        'checkpoint x.pth: 7/9 tensors of the model; 1 left over (neck.x); 2 of another shape '
        '(head.weight (9, 3) instead of (4, 3), head.bias (9,) instead of (4,))'
    )
    found.check(whole=False)
    with pytest.raises(ValueError, match='does not fit the model of the config: 1 left over'):
        found.check(whole=True)


def test_account_of_model__less_than_the_encoder():
    def spoil(state):
        state.pop('backbone.0.bias')
        return state

    for whole, part in ((False, 'encoder of the model'), (True, 'model')):
        with pytest.raises(ValueError, match=rf'fit the {part} .* 1 missing \(backbone.0.bias\)'):
            account(spoil).check(whole)
    with pytest.raises(ValueError, match='To fit the encoder alone to this model, use --pretr'):
        account(spoil).check(whole=False)
    found = account(spoil, allow_partial=['backbone.*.bias'])
    found.check(whole=True)
    assert found.let_pass == ['backbone.0.bias']
    assert 'LET PASS by allow_partial: 1' in found.summary()
    with pytest.raises(ValueError, match='1 missing'):
        account(spoil, allow_partial=['head.*']).check(whole=False)


def test_account_of_model__nothing_fits():
    found = account(lambda s: {f'net.{n}': t for n, t in s.items()}, allow_partial=['*'])
    with pytest.raises(
        ValueError, match='none of its tensors match: 8 missing .*--pretrained.*classifiers of MAE'
    ):
        found.check(whole=False)
