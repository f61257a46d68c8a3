"""Runs a step again and finds where its numbers cease to be finite."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from mae_transfer.kept_steps.kept_step import copy_containers, running_statistics, tensors_in


@dataclass
class Watched:
    """What the modules of a model gave, in the order in which they ended.

    Attributes:
        outputs: Name of the module, largest absolute value of its output, and whether its inputs
            were finite.
        gradients: Name of the module and largest absolute value of the gradient of its output.
    """

    outputs: list[tuple[str, float, bool]] = field(default_factory=list)
    gradients: list[tuple[str, float]] = field(default_factory=list)

    def first_output(self) -> tuple[str, bool] | None:
        """Return the first module whose output is not finite, and whether its inputs were."""
        found = (row for row in self.outputs if not math.isfinite(row[1]))
        return next(((name, fine) for name, _, fine in found), None)

    def first_gradient(self) -> str | None:
        """Return the first module, in the order of the backward pass, with such a gradient."""
        return next((name for name, size in self.gradients if not math.isfinite(size)), None)


@contextmanager
def watch_modules(model: nn.Module) -> Iterator[Watched]:
    """Record the outputs of all modules, and their gradients if there are any.

    Args:
        model: The model; its own name is the name of its class.
    """
    watched = Watched()

    def recorder(name: str) -> Callable:
        def record(module: nn.Module, inputs: tuple, output: Any) -> None:
            tensors = list(tensors_in(output))
            if not tensors:
                return
            fine = math.isfinite(largest(tensors_in(list(inputs))))
            watched.outputs.append((name, largest(tensors), fine))
            for tensor in _with_gradient(output):
                tensor.register_hook(
                    lambda gradient: watched.gradients.append((name, largest([gradient])))
                )

        return record

    handles = [
        module.register_forward_hook(recorder(name or type(model).__name__))
        for name, module in model.named_modules()
    ]
    try:
        yield watched
    finally:
        for handle in handles:
            handle.remove()


def largest(tensors: Any) -> float:
    """Return the largest absolute value in some tensors, NaN if there is a NaN; 0 if all are empty.

    Args:
        tensors: Tensors of floating point.
    """
    sizes = [t.detach().abs().amax().double() for t in tensors if t.numel()]
    return float(torch.stack([size.cpu() for size in sizes]).amax()) if sizes else 0.0


def _with_gradient(output: Any) -> list[Tensor]:
    """List the direct outputs of a module through which gradients flow."""
    values = output.values() if isinstance(output, dict) else output
    values = values if isinstance(output, dict | list | tuple) else [output]
    return [v for v in values if isinstance(v, Tensor) and v.requires_grad]


def run_parts(
    model: BaseModel,
    parts: Sequence,
    context: Callable[[], AbstractContextManager],
    backward: bool = False,
) -> float:
    """Run the forward passes of a step, as its training did.

    Args:
        model: The model without wrappers, in the mode of training.
        parts: A batch for each forward pass; not changed.
        context: Gives the context of the forward passes: their precision.
        backward: Whether to add the gradients.

    Returns:
        The loss, a mean over the parts.
    """
    found = []
    for part in parts:
        with context():
            data = model.data_preprocessor(copy_containers(part), True)
            losses = model._run_forward(data, mode='loss')
        loss = model.parse_losses(losses)[0] / len(parts)
        if backward:
            loss.backward()
        found.append(loss.detach())
    return float(torch.stack(found).sum())


def nonfinite_weight(model: nn.Module) -> str | None:
    """Return the first weight, or running statistic, that is not finite."""
    statistics = {id(buffer) for buffer in running_statistics(model)}
    buffers = [(n, b) for n, b in model.named_buffers() if id(b) in statistics]
    for name, weight in [*model.named_parameters(), *buffers]:
        if not is_finite(weight):
            return name
    return None


def nonfinite_gradient(model: nn.Module) -> str | None:
    """Return the last parameter, as gradients are computed from the end, with such a gradient."""
    found = [n for n, p in model.named_parameters() if p.grad is not None and not is_finite(p.grad)]
    return found[-1] if found else None


def say_cause(facts: dict, finite_inputs: bool) -> str:
    """Say in words where a step ceased to be finite.

    Args:
        facts: What was found: pictures, weight, module and gradient that are not finite.
        finite_inputs: Whether the inputs of that module were.
    """
    if facts['wrong_pictures']:
        return 'these pictures, or their annotations, are not finite themselves'
    if facts['weight']:
        return f'the weights are not finite, the first of them is {facts["weight"]}'
    if facts['module']:
        between = '' if finite_inputs else ', whose input is not finite already'
        return f'the first module with a non-finite output is {facts["module"]}{between}'
    if facts['gradient']:
        return (
            f'all outputs are finite, the gradient is not, among others that of {facts["gradient"]}'
        )
    return 'all outputs are finite, the gradient is not'


def is_finite(tensor: Tensor) -> bool:
    """Return whether all numbers of a tensor, or of this process's part of it, are finite."""
    local = tensor.to_local() if isinstance(tensor, DTensor) else tensor
    return bool(local.isfinite().all())
