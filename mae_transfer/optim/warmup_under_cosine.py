"""A schedule that is the lower of warm-up and cosine, as IcarusWizard/MAE trains CIFAR-10."""

import math

from mmengine.optim import _ParamScheduler

from mae_transfer.registry import PARAM_SCHEDULERS


@PARAM_SCHEDULERS.register_module()
class WarmupUnderCosineLR(_ParamScheduler):
    """Linear warm-up and half cosine from the same start; the lower one counts.

    In step t = 0, 1, ..., end - 1 the factor of the learning rate is

        min((t + 1) / warmup, (1 + cos(pi * t / end)) / 2).

    The cosine does not wait for the warm-up: the largest factor is below 1 (.977 with a warm-up of
    a tenth of the whole), which pairs of MMEngine's schedulers cannot give.

    Args:
        optimizer: The optimizer, or its wrapper.
        warmup: Length of the warm-up, in epochs (iterations with ``by_epoch=False``), in
            (0, end).
        end: Length of the whole schedule, in the same unit; the factor of the last step is above
            zero.
        by_epoch: Whether a step is an epoch or an iteration.
        last_step: See MMEngine.
        verbose: Whether to print each change.

    Raises:
        ValueError: If ``warmup`` is out of range.
    """

    def __init__(
        self,
        optimizer: object,
        warmup: float,
        end: int,
        by_epoch: bool = True,
        last_step: int = -1,
        verbose: bool = False,
    ) -> None:
        if not 0 < warmup < end:
            raise ValueError(f'warmup={warmup}: must be above 0 and below end={end}')
        self.warmup = warmup
        super().__init__(
            optimizer, 'lr', end=end, last_step=last_step, by_epoch=by_epoch, verbose=verbose
        )

    def factor(self, step: int) -> float:
        """Share of the base learning rate in a step."""
        cosine = 0.5 * (1 + math.cos(math.pi * step / self.end))
        # step + 1, or the first epoch would learn at a rate of 0.
        return min((step + 1) / self.warmup, cosine)

    def _get_value(self) -> list[float]:
        return [base * self.factor(self.last_step) for base in self.base_values]
