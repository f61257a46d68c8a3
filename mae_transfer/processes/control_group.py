"""A group of all processes of a run for small numbers on CPUs, past GPUs and gradients."""

from typing import Any

import torch.distributed as dist

_group: Any = None  # torch's type of it is wider than what one gets
_everyone: Any = None  # the processes that it was made for


def control_group() -> Any:
    """Return the group, which the first call makes, on all processes; None for a single process.

    Raises:
        RuntimeError: The processes cannot make it.
    """
    global _group, _everyone
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return None
    if _everyone is not dist.group.WORLD:
        try:
            _group = dist.new_group(backend='gloo')
        except RuntimeError as error:
            raise RuntimeError(
                'the processes cannot connect by gloo, by which they agree on signals and count '
                'broken pictures: set GLOO_SOCKET_IFNAME to the network interface that connects '
                'the machines, or leave both out with default_hooks.preemption=None and '
                f'default_hooks.bad_files=None ({error})'
            ) from error
        _everyone = dist.group.WORLD
    return _group


def forget_control_group() -> None:
    """Let go of the group, as the processes part."""
    global _group, _everyone
    _group = _everyone = None
