"""One row of the tables: the numbers that make a recipe, written by hand from its publication."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Curve:
    """A learning-rate schedule.

    Attributes:
        formula: Factor of the peak at a time in epochs or iterations, the unit of ``length``.
        length: Epochs or iterations.
        warm: End of the warm-up, in the same unit.
        per_unit: Simulated optimizer steps per unit; below 1 the schedule is shortened by it.
        error: Allowed difference of the factor behind the warm-up. MMEngine's straight lines are
            one iteration ahead of the formula.
        first: Largest factor of the first step of a warm-up.
        peak: Largest factor.
    """

    formula: Callable[[float], float]
    length: int
    warm: float
    per_unit: float
    error: float = 1e-9
    first: float = 1e-3
    peak: float = 1.0


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
