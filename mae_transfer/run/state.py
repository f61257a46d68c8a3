"""What a run changes in its process besides files, put back when it ends."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.logging import MMLogger
from mmengine.utils import ManagerMixin
from mmengine.visualization import Visualizer

from mae_transfer.run.processes import has_process_group, stop_processes


@contextmanager
def restored_state() -> Iterator[None]:
    """Run something and leave the process as it was found, so that a second run is like the first.

    Put back are MMEngine's global objects (default scope, message hub, logger, visualizer: a run of
    the same name in the same second would go on with those of the first), environment variables,
    the process group, and cuDNN's settings. Random states are not: they move on as with any
    training.
    """
    managed = {cls: dict(cls._instance_dict) for cls in _managers()}
    environment = dict(os.environ)
    cudnn = (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic)
    joined = has_process_group()
    try:
        yield
    finally:
        for cls in _managers():
            _restore(cls._instance_dict, managed.get(cls, {}))
        os.environ.clear()
        os.environ.update(environment)
        torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = cudnn
        if not joined:
            stop_processes()
        if torch.cuda.is_available():
            gc.collect()  # runner, hooks and loops refer to each other and hold its memory


def _managers() -> list[type[ManagerMixin]]:
    """Every class that keeps global instances by name."""
    found, pending = [], [ManagerMixin]
    while pending:
        cls = pending.pop()
        found.append(cls)
        pending += cls.__subclasses__()
    return found


def _restore(instances: dict, former: dict) -> None:
    """Drop what is new, and close the files that it holds."""
    for name, instance in instances.items():
        if former.get(name) is instance:
            continue
        if isinstance(instance, MMLogger):
            for handler in list(instance.handlers):
                handler.close()
        elif isinstance(instance, Visualizer):
            instance.close()
    instances.clear()
    instances.update(former)
