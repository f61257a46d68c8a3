"""Hooks of a few lines: the model without wrappers, the last metrics, a run without steps left."""

from types import SimpleNamespace

import pytest
from mmengine.model import BaseModel, BaseTTAModel

from mae_transfer.hooks.bare_model import bare_model
from mae_transfer.hooks.last_metrics import LastMetricsHook
from mae_transfer.hooks.nothing_left import NothingLeftHook


class Model(BaseModel):
    def forward(self, inputs: object) -> None: ...


class Views(BaseTTAModel):
    def merge_preds(self, data_samples_list: list) -> list: ...


def test_bare_model__looks_through_views():
    model = Model()
    assert bare_model(SimpleNamespace(model=model)) is model
    assert bare_model(SimpleNamespace(model=Views(model))) is model


def test_last_metrics__keeps_those_of_the_last_validation_alone():
    hook = LastMetricsHook()
    assert hook.metrics == {}
    hook.after_val_epoch(SimpleNamespace(), {'mIoU': 1.0, 'mAcc': 2.0})
    hook.after_val_epoch(SimpleNamespace(), {'mIoU': 3.0})
    assert hook.metrics == {'mIoU': 3.0}


@pytest.mark.parametrize(('iteration', 'told'), [(9, 0), (10, 1), (11, 1)])
def test_nothing_left__at_the_end_or_after_it(iteration, told):
    words = []
    logger = SimpleNamespace(warning=words.append)
    NothingLeftHook().before_train(SimpleNamespace(iter=iteration, max_iters=10, logger=logger))
    assert len(words) == told
