"""Find the model that a config describes inside what a runner wraps around it."""

from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import Runner
from torch import nn


def bare_model(runner: Runner) -> nn.Module:
    """The model of a config, without what distributes it or averages its predictions."""
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    return model.module if isinstance(model, BaseTTAModel) else model
