"""LARS, an optimizer for batches of many thousand images.

MMPretrain's and timm's LARS differ from the one of MAE's and CAE's linear probes: they scale biases
and norms too (unless every group says otherwise) and add the weight decay to the norm, not to the
gradient; MMPretrain's also keeps the learning rate inside the momentum.
"""

from collections.abc import Callable, Iterable
from typing import overload

import torch
from torch import Tensor

from mae_transfer.registry import OPTIMIZERS


@OPTIMIZERS.register_module()
class MAELARS(torch.optim.Optimizer):
    """Layer-wise adaptive rate scaling (You et al. 2017, https://arxiv.org/abs/1708.03888).

    As in MoCo v3, MAE and CAE. For a parameter p of two or more dimensions with gradient g::

        u = g + weight_decay * p
        u = trust_coefficient * |p| / |u| * u      (unscaled where |p| or |u| is 0)
        velocity = momentum * velocity + u
        p = p - lr * velocity

    Parameters of one dimension (biases, norms) take u = g: no decay, no scaling.

    Args:
        params: Parameters or groups of them.
        lr: Learning rate, >= 0.
        weight_decay: Of parameters of two or more dimensions, >= 0.
        momentum: In [0, 1).
        trust_coefficient: Length of a step, before ``lr``, as a fraction of the parameter's norm.

    Raises:
        ValueError: If a number is out of range.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict],
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.9,
        trust_coefficient: float = 0.001,
    ) -> None:
        for name, value in (
            ('lr', lr),
            ('weight_decay', weight_decay),
            ('trust_coefficient', trust_coefficient),
        ):
            if value < 0:
                raise ValueError(f'{name}={value}: must not be negative')
        if not 0 <= momentum < 1:
            raise ValueError(f'momentum={momentum}: must be in [0, 1)')
        super().__init__(
            params,
            dict(
                lr=lr,
                weight_decay=weight_decay,
                momentum=momentum,
                trust_coefficient=trust_coefficient,
            ),
        )

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Update the parameters that have a gradient.

        Args:
            closure: Computes the loss and its gradients again, as PyTorch's optimizers allow.

        Returns:
            The loss of the closure.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group['params']:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group)
        return loss

    def _update(self, parameter: Tensor, grad: Tensor, group: dict) -> None:
        update = grad
        if parameter.ndim > 1:
            update = grad.add(parameter, alpha=group['weight_decay'])
            size, step = parameter.norm(), update.norm()
            ratio = group['trust_coefficient'] * size / step
            # Without a branch: to read the numbers, the CPU would wait for the GPU each time.
            update = update * torch.where((size > 0) & (step > 0), ratio, torch.ones_like(ratio))
        state = self.state[parameter]
        if 'momentum_buffer' not in state:
            state['momentum_buffer'] = torch.zeros_like(parameter)
        velocity = state['momentum_buffer'].mul_(group['momentum']).add_(update)
        parameter.sub_(velocity, alpha=group['lr'])
