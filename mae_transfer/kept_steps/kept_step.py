"""Keeps what an optimizer step started from, so that the step can be run again."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.structures import BaseDataElement
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from mae_transfer.random_states import random_states, set_random_states

UNNAMED = 'unnamed'


@dataclass(frozen=True)
class KeptStep:
    """What a step started from.

    Attributes:
        iteration: Which step, counted from 1.
        parts: A batch for each forward pass.
        random_states: See :func:`mae_transfer.random_states.random_states`.
        statistics: Running statistics of the norm layers and their values before the step.
    """

    iteration: int
    parts: list
    random_states: dict[str, Any]
    statistics: list[tuple[Tensor, Tensor]]

    def restore_statistics(self) -> None:
        """Undo what the forward passes did to the running statistics of batch norm."""
        for buffer, value in self.statistics:
            buffer.copy_(value)


def keep_step(iteration: int, parts: Sequence, statistics: Sequence[Tensor]) -> KeptStep:
    """Keep what a step starts from; tensors of the batch are not copied.

    Args:
        iteration: Which step, counted from 1.
        parts: A batch for each forward pass.
        statistics: What :func:`running_statistics` found.
    """
    values = [(buffer, buffer.clone()) for buffer in statistics]
    return KeptStep(iteration, [copy_containers(part) for part in parts], random_states(), values)


def running_statistics(model: nn.Module) -> list[Tensor]:
    """List the buffers that forward passes in training change: those of batch norms."""
    norms = [module for module in model.modules() if isinstance(module, _NormBase)]
    return [buffer for norm in norms for buffer in norm.buffers(recurse=False)]


def copy_containers(value: Any) -> Any:
    """Copy the containers of a batch, not their tensors.

    Preprocessors put padded masks, mixed labels and meta data into the samples of the batch.
    """
    if isinstance(value, Tensor):
        return value
    if isinstance(value, BaseDataElement):
        new = value.__class__.__new__(value.__class__)
        for name, item in value.__dict__.items():
            nested = isinstance(item, BaseDataElement | set)  # sets: the names of the fields
            new.__dict__[name] = copy_containers(item) if nested else item
        return new
    if isinstance(value, dict):
        return {key: copy_containers(item) for key, item in value.items()}
    if isinstance(value, list | tuple) and not hasattr(value, '_fields'):
        return type(value)(copy_containers(item) for item in value)
    return set(value) if isinstance(value, set) else value


@contextmanager
def as_before(model: nn.Module, states: dict[str, Any]) -> Iterator[None]:
    """Start from earlier random states; leave generators and buffers as they were found.

    Args:
        model: The model whose buffers are restored.
        states: See :func:`mae_transfer.random_states.random_states`.
    """
    now = random_states()
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    set_random_states(states)
    try:
        yield
    finally:
        set_random_states(now)
        with torch.no_grad():
            for buffer, value in buffers:
                buffer.copy_(value)


def samples_of(part: Any) -> list:
    """Split a batch into its samples: for each, what belongs to it, in lists.

    Args:
        part: What the data loader gave: a dict whose values are batched, one by one.
    """
    values = list(part.values()) if isinstance(part, dict) else [part]
    counted = part.get('data_samples', part.get('inputs')) if isinstance(part, dict) else part
    if isinstance(counted, Tensor | list | tuple):
        count = len(counted)
        return [[_of_sample(value, i, count) for value in values] for i in range(count)]
    return [values]


def _of_sample(value: Any, i: int, count: int) -> Any:
    """Return what belongs to sample ``i``, of a batch of ``count``, or of several views of one."""
    if not isinstance(value, Tensor | list | tuple):
        return None
    views = [view for view in value if isinstance(view, list | tuple) and len(view) == count]
    if not isinstance(value, Tensor) and len(views) == len(value) and views:
        return [view[i] for view in views]
    if len(value) == count:
        return value[i]
    return [view[i] for view in value if isinstance(view, Tensor) and len(view) == count]


def picture_names(part: Any) -> list[str]:
    """Return the path of the picture of each sample of a batch, 'unnamed' where none is given."""
    return [_path_in(sample) or UNNAMED for sample in samples_of(part)]


def _path_in(value: Any) -> str | None:
    """Find the path of a picture in a sample of any framework."""
    if isinstance(value, BaseDataElement):
        return value.metainfo.get('img_path')
    if isinstance(value, dict):
        return value.get('img_path')
    if isinstance(value, list | tuple):
        return next((path for item in value if (path := _path_in(item))), None)
    return None


def are_finite(part: Any) -> list[bool]:
    """Return for each sample of a batch whether its pixels and annotations are finite."""
    return [
        all(bool(tensor.isfinite().all()) for tensor in tensors_in(sample))
        for sample in samples_of(part)
    ]


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Walk the tensors of floating point in nested containers."""
    if isinstance(value, Tensor):
        if value.is_floating_point():
            yield value.detach()
    elif isinstance(value, BaseDataElement):
        yield from tensors_in(list(value.values()))
    elif isinstance(value, dict):
        yield from tensors_in(list(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors_in(item)
