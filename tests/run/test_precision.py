"""Mixed precision on whatever device there is."""

import pytest
import torch
from mmengine.config import Config

from mae_transfer.run.precision import set_amp


@pytest.mark.parametrize('kind', ['OptimWrapper', 'AmpOptimWrapper'])
def test_set_amp__keeps_a_dtype_of_the_config(kind):
    cfg = Config(dict(optim_wrapper=dict(type=kind, dtype='float16')))
    set_amp(cfg)
    assert dict(cfg.optim_wrapper) == dict(type='AutocastOptimWrapper', dtype='float16')


def test_set_amp__takes_bfloat16_on_a_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    cfg = Config(dict(optim_wrapper=dict(type='OptimWrapper')))
    set_amp(cfg)
    assert cfg.optim_wrapper.dtype == 'bfloat16'


def test_set_amp__refuses_other_wrappers():
    with pytest.raises(ValueError, match='ApexOptimWrapper'):
        set_amp(Config(dict(optim_wrapper=dict(type='ApexOptimWrapper'))))
