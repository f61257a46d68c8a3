"""Anneals a number in the model along half a cosine during training."""

import math

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mae_transfer.hooks.bare_model import bare_model
from mae_transfer.registry import HOOKS


@HOOKS.register_module()
class AnnealHook(Hook):
    """Set an attribute of the model before each iteration, and log its value.

    In iteration t the value is ``end + (start - end) * (1 + cos(pi * t / length)) / 2``, and
    ``end`` from iteration ``length`` on. DALL-E anneals the temperature of its discrete VAE and
    the weight of its divergence this way (Ramesh et al. 2021, https://arxiv.org/abs/2102.12092,
    A.2). The value depends only on the iteration, so a resumed run continues where it stopped.

    Args:
        name: Attribute of the model that is a number.
        start: First value.
        end: Last value.
        length: Iterations from the first to the last value.

    Raises:
        ValueError: If ``length`` is below 1; before training, if the model has no such number.
    """

    def __init__(self, name: str, start: float, end: float, length: int) -> None:
        if length < 1:
            raise ValueError(f'length={length}: must be at least 1')
        self.name, self.start, self.end, self.length = name, start, end, length

    def value(self, iteration: int) -> float:
        """Return the value in an iteration."""
        share = min(iteration / self.length, 1.0)
        return self.end + (self.start - self.end) * (1 + math.cos(math.pi * share)) / 2

    def before_train(self, runner: Runner) -> None:
        """Refuse a model without the attribute."""
        found = getattr(bare_model(runner), self.name, None)
        if not isinstance(found, int | float):
            raise ValueError(
                f'AnnealHook(name={self.name!r}): the {type(bare_model(runner)).__name__} has no '
                'number of that name'
            )

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: object | None = None
    ) -> None:
        """Set the value of this iteration."""
        value = self.value(runner.iter)
        setattr(bare_model(runner), self.name, value)
        runner.message_hub.update_scalar(f'train/{self.name}', value)
