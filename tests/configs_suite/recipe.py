"""One row of the tables: the numbers that make a recipe, written by hand from its publication."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.configs_suite.curves import Formula


@dataclass(frozen=True)
class Curve:
    """A learning-rate schedule.

    Attributes:
        formula: Factor of the peak in an optimizer step.
        steps: Optimizer steps of the run.
        epoch: Steps of an epoch, for a schedule that counts epochs; few, to be quick.
    """

    formula: Formula
    steps: int
    epoch: int = 1

    @classmethod
    def of_epochs(
        cls, formula: Callable[..., Formula], warm: int, epochs: int, lowest: float = 0.0
    ) -> 'Curve':
        """A formula of a warm-up, a length and a lowest factor, in epochs of seven steps."""
        return cls(formula(7 * warm, 7 * epochs, lowest), 7 * epochs, 7)


@dataclass(frozen=True)
class Recipe:
    """What the optimizer of a recipe is told.

    Attributes:
        batch: GPUs x images x accumulation.
        lr: Peak learning rate at that batch.
        weight_decay: Of the parameters that are decayed.
        curve: The schedule.
        layer_decay: Factor from block to block; 1 = none.
        drop_path: Stochastic depth of the last block.
        no_decay: What the weight decay leaves out, in the words of ``paramwise_cfg.no_decay``.
        optimizer: Its class.
        betas: Of AdamW; None for others.
        momentum: Of SGD and LARS; None for others.
        clip_grad: Largest norm of the gradient; None = not clipped.
        amp: Whether the forward pass runs in mixed precision.
        dtype: The precision, where it is mixed.
    """

    batch: int
    lr: float
    weight_decay: float
    curve: Curve
    layer_decay: float = 1.0
    drop_path: float = 0.0
    no_decay: tuple[str, ...] = ('1d', 'bias')
    optimizer: str = 'AdamW'
    betas: tuple[float, float] | None = (0.9, 0.999)
    momentum: float | None = None
    clip_grad: float | None = None
    amp: bool = True
    dtype: str = 'float16'
