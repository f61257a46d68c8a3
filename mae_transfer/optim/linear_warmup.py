"""A linear warm-up that may start at 0 and may end between two steps."""

from math import ceil
from typing import Any

from mmengine.optim import _ParamScheduler

from mae_transfer.registry import PARAM_SCHEDULERS

# Schedulers multiply the current rate, and a rate of exactly 0 would stay 0. In float32, a step at
# this share of any rate changes no parameter, as a step at 0.
ZERO = 1e-30


@PARAM_SCHEDULERS.register_module()
class LinearWarmupLR(_ParamScheduler):
    """Raise the learning rate linearly; step ``end`` is the first at the full rate.

    In step t = 0, 1, ... after ``begin`` the factor of the learning rate is

        min(1, start_factor + (1 - start_factor) * t / (end - begin)),

    as in MAE's code (``start_factor=0``), in Detectron2's and in that of mmcv 1.x. MMEngine's
    ``LinearLR`` reaches the full rate one step before its ``end``, and can neither start at 0 nor
    end between two steps.

    Like MMEngine's schedulers it multiplies the current rate of each group, so a decay that begins
    in step 0 can act in the same steps. A decay that follows the warm-up begins at ``end``.

    Args:
        optimizer: The optimizer, or its wrapper.
        end: The first step at the full rate. If it is a fraction, the line reaches the full rate
            between two steps.
        start_factor: Factor of the first step, in [0, 1).
        begin: First step, an epoch or an iteration.
        endpoint: Whether the line ends one step earlier, in ``end - 1``: NumPy's ``linspace`` with
            ``end - begin`` points, as in BEiT's and CAE's code.
        by_epoch: Whether a step is an epoch or an iteration.
        last_step: See MMEngine.
        verbose: Whether to print each change.

    Raises:
        ValueError: If ``end``, ``start_factor`` or ``begin`` is out of range.
    """

    def __init__(
        self,
        optimizer: object,
        end: float,
        start_factor: float = 0.0,
        begin: int = 0,
        endpoint: bool = False,
        by_epoch: bool = True,
        last_step: int = -1,
        verbose: bool = False,
    ) -> None:
        if not 0 <= start_factor < 1:
            raise ValueError(f'start_factor={start_factor}: must be at least 0 and below 1')
        if begin < 0 or begin % 1:
            raise ValueError(f'begin={begin}: must be a whole number, at least 0')
        if end <= begin:
            raise ValueError(f'end={end}: must be above begin={begin}')
        self.start_factor = start_factor or ZERO
        self.steps_to_full = end - begin - endpoint
        # The last step that acts is the first at the full rate.
        super().__init__(
            optimizer, 'lr', begin, ceil(end) + 1, last_step, by_epoch=by_epoch, verbose=verbose
        )

    @classmethod
    def build_iter_from_epoch(
        cls,
        optimizer: object,
        end: float,
        epoch_length: int,
        begin: float = 0,
        by_epoch: bool = True,
        **kwargs: Any,
    ) -> 'LinearWarmupLR':
        """Build a warm-up in iterations from one in epochs; see MMEngine."""
        if not by_epoch:
            raise ValueError('convert_to_iter_based=True: needs by_epoch=True')
        begin, end = int(begin * epoch_length), end * epoch_length
        return cls(optimizer, begin=begin, end=end, by_epoch=False, **kwargs)

    def load_state_dict(self, state_dict: dict) -> None:
        """Load the state of a warm-up; one of MMEngine's ``LinearLR`` keeps its own length.

        Raises:
            ValueError: If the state is that of another class of scheduler.
        """
        if 'steps_to_full' not in state_dict:
            if 'total_iters' not in state_dict or 'start_factor' not in state_dict:
                raise ValueError(
                    'the checkpoint has the state of another schedule than LinearWarmupLR, which '
                    'the config has: resume with the config in the work dir of the checkpoint'
                )
            state_dict = dict(state_dict, steps_to_full=state_dict['total_iters'])
        super().load_state_dict(state_dict)

    def factor(self, step: int) -> float:
        """Share of the full rate in a step after ``begin``."""
        if step == 0:
            return self.start_factor
        if step >= self.steps_to_full:
            return 1.0
        return self.start_factor + (1 - self.start_factor) * step / self.steps_to_full

    def _get_value(self) -> list[float]:
        step = self.last_step
        ratio = self.factor(step) / (self.factor(step - 1) if step else 1.0)
        return [group['lr'] * ratio for group in self.optimizer.param_groups]
