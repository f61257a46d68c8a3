"""A linear warm-up and a half cosine that both start in step 0.

IcarusWizard/MAE uses it for CIFAR-10, and Detectron2's code for cosine schedules on COCO.
"""

import math

from mmengine.optim import _ParamScheduler

from mae_transfer.registry import PARAM_SCHEDULERS


@PARAM_SCHEDULERS.register_module()
class WarmupUnderCosineLR(_ParamScheduler):
    """Linear warm-up, then a half cosine that started in step 0.

    In step t = 0, 1, ..., end - 1 the factor of the learning rate follows a line first, and then

        cosine(t) = (1 + cos(pi * t / end)) / 2.

    By default the factor is the lower of the cosine and (t + 1) / (warmup + 1e-8), as in
    IcarusWizard/MAE. With ``start_factor``, a line rises from it in step 0 to cosine(warmup) in
    step ``warmup``, as in Detectron2 and fvcore. In both cases the largest factor is below 1 (.977
    by default with a warm-up of a tenth of the run), which pairs of MMEngine's schedulers cannot
    give.

    Args:
        optimizer: The optimizer, or its wrapper.
        warmup: Length of the warm-up, in epochs (iterations with ``by_epoch=False``), in
            (0, end); may be a fraction.
        end: Length of the whole schedule, in the same unit; the factor of the last step is above
            zero.
        by_epoch: Whether a step is an epoch or an iteration.
        last_step: See MMEngine.
        verbose: Whether to print each change.
        start_factor: Factor of step 0, in [0, 1]; None = the default line above.

    Raises:
        ValueError: If ``warmup`` or ``start_factor`` is out of range.
    """

    def __init__(
        self,
        optimizer: object,
        warmup: float,
        end: int,
        by_epoch: bool = True,
        last_step: int = -1,
        verbose: bool = False,
        start_factor: float | None = None,
    ) -> None:
        if not 0 < warmup < end:
            raise ValueError(f'warmup={warmup}: must be above 0 and below end={end}')
        if start_factor is not None and not 0 <= start_factor <= 1:
            raise ValueError(f'start_factor={start_factor}: must be in [0, 1]')
        self.warmup = warmup
        self.start_factor = start_factor
        super().__init__(
            optimizer, 'lr', end=end, last_step=last_step, by_epoch=by_epoch, verbose=verbose
        )

    def load_state_dict(self, state_dict: dict) -> None:
        """Load the state that another instance has saved.

        Raises:
            ValueError: If the state is that of another class of scheduler.
        """
        if 'warmup' not in state_dict:
            raise ValueError(
                'the checkpoint has the state of another schedule than WarmupUnderCosineLR, which '
                'the config has: resume with the config in the work dir of the checkpoint'
            )
        super().load_state_dict(state_dict)

    def factor(self, step: int) -> float:
        """Share of the base learning rate in a step."""
        cosine = self._cosine(step)
        if self.start_factor is None:
            # step + 1, or the first epoch would learn at a rate of 0.
            return min((step + 1) / (self.warmup + 1e-8), cosine)
        if step >= self.warmup:
            return cosine
        rise = self._cosine(self.warmup) - self.start_factor
        return self.start_factor + rise * step / self.warmup

    def _cosine(self, step: float) -> float:
        return 0.5 * (1 + math.cos(math.pi * step / self.end))

    def _get_value(self) -> list[float]:
        return [base * self.factor(self.last_step) for base in self.base_values]
