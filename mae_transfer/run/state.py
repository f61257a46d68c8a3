"""Restores the state of the process after a run."""

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
    """Restore the process on exit, so that a second run behaves like the first.

    This covers MMEngine's global objects (default scope, message hub, logger, visualizer: a run of
    the same name in the same second would reuse those of the first), environment variables, the
    process group, and cuDNN's settings. Random states are not restored: they advance as in any
    training.
    """
    managed = {cls: dict(cls._instance_dict) for cls in _managers()}
    environment = dict(os.environ)
    cudnn = (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic)
    joined = has_process_group()
    failed = True
    try:
        yield
        failed = False
    except SystemExit:  # an end that all processes agree on
        failed = False
        raise
    finally:
        for cls in _managers():
            _restore(cls._instance_dict, managed.get(cls, {}))
        os.environ.clear()
        os.environ.update(environment)
        torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = cudnn
        if not joined:
            stop_processes(failed)
        if torch.cuda.is_available():
            gc.collect()  # runner, hooks and loops refer to each other, which keeps their memory


def _managers() -> list[type[ManagerMixin]]:
    """List every class that keeps global instances by name."""
    found, pending = [], [ManagerMixin]
    while pending:
        cls = pending.pop()
        found.append(cls)
        pending += cls.__subclasses__()
    return found


def _restore(instances: dict, former: dict) -> None:
    """Drop new instances, and close their files."""
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
