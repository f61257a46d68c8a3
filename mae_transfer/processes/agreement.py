"""Lets all processes of a run know the same number at the same step, almost without waiting."""

from typing import Any

import torch
import torch.distributed as dist

from mae_transfer.processes.control_group import control_group


class Agreement:
    """Exchanges the number of a signal, 0 for none.

    In each step every process hands over its number, and reads the largest number of the step
    before, which has arrived by then.

    Raises:
        RuntimeError: The processes cannot make the group.
    """

    def __init__(self) -> None:
        self._group = control_group()
        self._work: Any = None
        self._largest = torch.zeros((), dtype=torch.int32)

    def exchange(self, number: int) -> int:
        """Return the largest number of the previous call on any process; hand over this one's."""
        if self._group is None:
            return number
        agreed = self._collect()
        if not agreed:
            self._largest = torch.tensor(number, dtype=torch.int32)
            self._work = self._reduce(self._largest, dist.ReduceOp.MAX, async_op=True)
        return agreed

    def now(self, number: int) -> int:
        """Return the largest number of all processes, of this call and the previous one."""
        if self._group is None:
            return number
        largest = torch.tensor(max(number, self._collect()), dtype=torch.int32)
        self._reduce(largest, dist.ReduceOp.MAX)
        return int(largest)

    def least(self, number: int) -> int:
        """Return the smallest number of all processes."""
        least = torch.tensor(number)
        if self._group is not None:
            self._reduce(least, dist.ReduceOp.MIN)
        return int(least)

    def wait(self) -> None:
        """Wait for all processes."""
        if self._group is not None:
            dist.barrier(group=self._group)

    def _collect(self) -> int:
        if self._work is not None:
            self._work.wait()
            self._work = None
        return int(self._largest)

    def _reduce(self, value: torch.Tensor, by: Any, async_op: bool = False) -> Any:
        return dist.all_reduce(value, by, group=self._group, async_op=async_op)
