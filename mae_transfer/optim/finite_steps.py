"""Optimizer steps that change the weights only if their gradient is finite.

The verdict is the norm of the whole gradient, which is the same on all processes, so all of them
skip the same steps without asking each other. A loss that is not finite makes its gradient NaN.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, update_wrapper
from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from torch import Tensor
from torch.amp import GradScaler
from torch.distributed.tensor import DTensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from mae_transfer.optim.autocast import AutocastOptimWrapper

LOWEST_SCALE = 1.0  # a loss scale below it does not help float16 any more


@dataclass(frozen=True)
class Outcome:
    """What became of one optimizer step.

    Attributes:
        norm: Norm of the gradient, before clipping; not finite if the step was skipped.
        loss: The loss, over all forward passes of the step; a scalar.
        context: What the owner of :class:`FiniteSteps` had noted about the step.
        scale: Factor of the loss in float16; 1 otherwise.
        has_gradient: Whether the gradient is still that of this step.
    """

    norm: float
    loss: Tensor
    context: Any
    scale: float
    has_gradient: bool

    @property
    def finite(self) -> bool:
        """Whether the step changed the weights."""
        return math.isfinite(self.norm)


class FiniteSteps:
    """Makes an optimizer wrapper skip each step whose gradient is not finite.

    A skipped step leaves weights and optimizer state untouched. Finite steps are those of the
    wrapper alone, bit for bit. If a gradient is clipped by its norm, that norm is not computed
    twice.

    When the verdict is known: at once, with a read of the norm; but for CUDA optimizers with
    ``fused=True`` and for scaled losses (float16) the device itself skips, and the norm is read
    before the next step changes the weights, when it has long been computed. The first step of a
    fused optimizer is read at once: PyTorch's fused SGD would otherwise start from a momentum that
    was never written.

    Steps that the ``GradScaler`` skips because its scaled gradient overflowed are its ordinary
    search for a scale: they are reported only if a loss was not finite, or the scale fell below 1.

    Args:
        wrapper: The optimizer wrapper, until :meth:`detach`.
        learn: Called once for each reported step, on all processes in the same order, while the
            weights are still those of the step if it was skipped.
        defer: Whether the report may wait: True for an optimizer that supports it, False never;
            None decides as above.

    Attributes:
        context: Set by the owner before each step; returned with its outcome.
    """

    def __init__(
        self,
        wrapper: OptimWrapper,
        learn: Callable[[Outcome], None],
        defer: bool | None = None,
    ) -> None:
        self.wrapper = wrapper
        self.learn = learn
        self.context: Any = None
        self._defer = defer
        self._losses: list[Tensor] = []
        self._norm: Tensor | None = None
        self._pending: tuple[Callable[[], list[float]], Tensor, Any] | None = None
        self._wrapped = (wrapper.backward, wrapper.step, wrapper._clip_grad)
        wrapper.backward, wrapper._clip_grad = self._backward, self._clip
        # MMEngine's schedulers leave a mark on the method, and warn if it is gone.
        wrapper.step = update_wrapper(partial(self._step), wrapper.step)

    def detach(self) -> None:
        """Give the wrapper its own methods back."""
        self.wrapper.backward, self.wrapper.step, self.wrapper._clip_grad = self._wrapped

    def settle(self) -> None:
        """Report the last step if that was put off."""
        if self._pending is None:
            return
        (read, loss, context), self._pending = self._pending, None
        norm, scale = read()
        self._report(Outcome(norm, loss, context, scale, has_gradient=False))

    def forget(self) -> None:
        """Drop the last step if its report was put off, as the run goes back before it."""
        self._pending = None

    def _backward(self, loss: Tensor, **kwargs: Any) -> None:
        """Add the gradient of a loss: all NaN if the loss is not finite."""
        self._losses.append(loss.detach())
        self._wrapped[0](loss * (loss.detach() * 0 + 1), **kwargs)  # exactly 1, or NaN

    def _step(self, **kwargs: Any) -> None:
        """Update the weights if the gradient is finite."""
        self.settle()
        losses, self._losses = self._losses, []
        loss = torch.stack(losses).sum() if losses else torch.zeros(())
        scaler = self._scaler()
        self._norm = None
        if scaler is not None:
            self._scaled_step(scaler, loss, kwargs)
            return
        norm = self._norm = self._measure()
        if self._device_skips(norm):
            optimizer = self.wrapper.optimizer
            optimizer.found_inf = (~norm.isfinite()).float()
            self._wrapped[1](**kwargs)
            del optimizer.found_inf
            self._put_off(norm, torch.ones_like(norm), loss)
            return
        outcome = Outcome(float(norm), loss, self.context, 1.0, has_gradient=True)
        self._report(outcome)
        if not outcome.finite:
            self.wrapper.zero_grad()  # optimizers pass over parameters without a gradient
        self._wrapped[1](**kwargs)

    def _scaled_step(self, scaler: GradScaler, loss: Tensor, kwargs: dict) -> None:
        """Let the scaler skip; with clipping, :meth:`_clip` finds the unscaled gradient."""
        scale = scaler.scale(torch.ones((), device=loss.device))
        scaled_norm = None if self.wrapper.clip_grad_kwargs else self._measure()
        self._wrapped[1](**kwargs)
        norm = self._norm if scaled_norm is None else scaled_norm / scale
        assert norm is not None, 'the wrapper clips without _clip_grad'
        self._put_off(norm, scale, loss)
        if self._defer is False:
            self.settle()

    def _put_off(self, norm: Tensor, scale: Tensor, loss: Tensor) -> None:
        self._pending = (_read_later(torch.stack([norm, scale])), loss, self.context)

    def _report(self, outcome: Outcome) -> None:
        """Tell the owner, unless the scaler is searching for its scale."""
        if not outcome.finite and self._scaler() is not None and outcome.scale >= LOWEST_SCALE:
            wrong = (~outcome.loss.isfinite()).float()
            all_reduce(wrong, 'max')  # only after a step that overflowed on every process
            if not wrong:
                return
        self.learn(outcome)

    def _clip(self) -> None:
        """Clip as the wrapper does, by the norm that is known, and log nothing."""
        if self._norm is None:
            self._norm = self._measure()
        if self.wrapper.grad_name != 'grad_norm':
            self._wrapped[2]()
            return
        options = self.wrapper.clip_grad_kwargs
        clip_grads_with_norm_(
            self._parameters(), options['max_norm'], self._norm, options.get('foreach')
        )

    def _measure(self) -> Tensor:
        """Compute the norm of the gradient, of the kind by which it is clipped, if it is."""
        options = self.wrapper.clip_grad_kwargs or {}
        gradients = [p.grad for p in self._parameters() if p.grad is not None]
        norm = get_total_norm(
            gradients, options.get('norm_type', 2.0), foreach=options.get('foreach')
        )
        return norm.full_tensor() if isinstance(norm, DTensor) else norm

    def _parameters(self) -> list[Tensor]:
        """List the parameters that have a gradient."""
        groups = self.wrapper.optimizer.param_groups
        return [p for group in groups for p in group['params'] if p.grad is not None]

    def _scaler(self) -> GradScaler | None:
        """Return what scales the loss, if anything does."""
        if not isinstance(self.wrapper, AutocastOptimWrapper | AmpOptimWrapper):
            return None
        scaler = self.wrapper.loss_scaler
        return scaler if scaler.is_enabled() else None

    def _device_skips(self, norm: Tensor) -> bool:
        """Return whether the kernel of the optimizer can skip the step by itself."""
        optimizer = self.wrapper.optimizer
        if not optimizer.state or not getattr(optimizer, '_step_supports_amp_scaling', False):
            return False
        if any(isinstance(p, DTensor) for p in optimizer.param_groups[0]['params']):
            return False  # its norm was just exchanged, and the flag would need a sharding
        return norm.is_cuda if self._defer is None else self._defer


def _read_later(values: Tensor) -> Callable[[], list[float]]:
    """Start to copy numbers to the CPU; the result waits for them, the caller does not."""
    if not values.is_cuda:
        return values.tolist
    copy = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
    copy.copy_(values, non_blocking=True)
    copied = torch.cuda.Event()
    copied.record()

    def read() -> list[float]:
        copied.synchronize()
        return copy.tolist()

    return read
