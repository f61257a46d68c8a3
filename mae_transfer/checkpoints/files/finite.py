"""Finds numbers that are not finite in the content of a checkpoint or in a live model.

Weights and the optimizer's moments have to be finite. A buffer may hold infinities on purpose, as
an attention mask does, but no NaN; the statistics of batch norm are computed like weights.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

INFINITE_BUFFERS = 'infinite_buffers'  # entry of meta: names of buffers that hold infinities
STATISTICS = ('running_mean', 'running_var')
NO_WEIGHTS = ('meta', 'message_hub', 'optimizer', 'param_schedulers', 'ema_state_dict')


def not_finite(tensors: Mapping[str, Tensor]) -> dict[str, float]:
    """Find tensors with a NaN or an infinity; a device is waited for once.

    Args:
        tensors: Name -> tensor of any type; shards of distributed tensors are looked at as they
            lie on this process.

    Returns:
        Name -> NaN if the tensor contains a NaN, else infinity.
    """
    by_device: dict[torch.device, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        tensor = getattr(tensor, 'to_local', lambda tensor=tensor: tensor)().detach()
        if tensor.layout != torch.strided:
            tensor = (tensor.coalesce() if tensor.is_sparse else tensor).values()
        inexact = tensor.is_floating_point() or tensor.is_complex()
        if not inexact or tensor.numel() == 0 or tensor.is_meta:
            continue
        if tensor.element_size() == 1:
            tensor = tensor.float()  # norms of 8-bit floats do not exist
        # The largest absolute value: one pass without a copy, and it is NaN if any value is.
        largest = torch.linalg.vector_norm(tensor, ord=math.inf)
        by_device.setdefault(tensor.device, {})[name] = largest.double()
    found: dict[str, float] = {}
    for largest_by_name in by_device.values():
        values = torch.stack(list(largest_by_name.values())).tolist()
        found |= dict(zip(largest_by_name, values, strict=True))
    return {name: value for name, value in found.items() if not value < math.inf}


def broken_names(found: Mapping[str, float], buffers: Collection[str]) -> list[str]:
    """List the tensors that a run cannot go on from.

    Args:
        found: What :func:`not_finite` found.
        buffers: Names that may hold infinities, unless they are statistics of batch norm.
    """
    return [
        name
        for name, value in found.items()
        if math.isnan(value) or name not in buffers or name.endswith(STATISTICS)
    ]


def broken_content(content: Any, buffers: Collection[str] | None = None) -> list[str]:
    """List the tensors of a checkpoint that a run cannot go on from.

    Args:
        content: What was read from the file.
        buffers: Names of tensors that may hold infinities; by default the file says so. If it does
            not, all may.
    """
    if not isinstance(content, dict):
        return []
    if buffers is None:
        meta = content.get('meta')
        stated = meta.get(INFINITE_BUFFERS) if isinstance(meta, dict) else None
        buffers = stated if isinstance(stated, list | tuple) else None
    bare = {name: value for name, value in content.items() if name not in NO_WEIGHTS}
    weights = dict(_tensors_in(content.get('state_dict', bare), ''))
    if buffers is None:
        buffers = weights.keys()
    broken = broken_names(not_finite(weights), buffers)
    averaged = dict(_tensors_in(content.get('ema_state_dict'), ''))
    allowed = {name for name in averaged if name.removeprefix('module.') in buffers}
    broken += [f'ema_state_dict.{name}' for name in broken_names(not_finite(averaged), allowed)]
    return broken + list(not_finite(dict(_tensors_in(content.get('optimizer'), 'optimizer'))))


def _tensors_in(value: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    """Walk the tensors inside plain containers once, under dotted names."""
    seen = set()
    pending = [(name, value)]
    while pending:
        name, value = pending.pop()
        if isinstance(value, Tensor):
            yield name, value
        if not isinstance(value, dict | list | tuple) or id(value) in seen:
            continue
        seen.add(id(value))
        items: Iterable = value.items() if isinstance(value, dict) else enumerate(value)
        inside = [(f'{name}.{key}' if name else str(key), item) for key, item in items]
        pending += reversed(inside)


def persistent_buffers(model: nn.Module) -> dict[str, Tensor]:
    """Return the buffers that checkpoints hold, by name."""
    return {
        f'{prefix}.{name}' if prefix else name: buffer
        for prefix, module in model.named_modules()
        for name, buffer in module._buffers.items()
        if buffer is not None and name not in module._non_persistent_buffers_set
    }


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the tensors in the state of an optimizer, by names such as 'optimizer.3.exp_avg'."""
    return {
        f'optimizer.{index}.{name}': value
        for index, state in enumerate(optimizer.state.values())
        for name, value in state.items()
        if isinstance(value, Tensor)
    }
