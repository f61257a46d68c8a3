"""Restores the state of the process after a run."""

import gc
import multiprocessing
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from mmengine.logging import MMLogger
from mmengine.utils import ManagerMixin
from mmengine.visualization import Visualizer

from mae_transfer.processes.data_workers import end_workers
from mae_transfer.processes.signal_watch import active_watch, stop_watch
from mae_transfer.run.processes import has_process_group, stop_processes


@contextmanager
def restored_state() -> Iterator[None]:
    """Restore the process on exit, so that a second run behaves like the first.

    This covers MMEngine's global objects (default scope, message hub, logger, visualizer: a run of
    the same name in the same second would reuse those of the first), environment variables, the
    process group, cuDNN's settings, and what signals do. The data workers of the run end. Random
    states are not restored: they advance as in any training.
    """
    managed = {cls: dict(cls._instance_dict) for cls in _managers()}
    environment = dict(os.environ)
    cudnn = (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic)
    joined = has_process_group()
    children = {child.pid for child in multiprocessing.active_children() if child.pid}
    watch = active_watch()
    failed = True
    try:
        yield
        failed = False
    except SystemExit:  # an end that all processes agree on
        failed = False
        raise
    finally:
        end_workers(children)
        if watch is None:
            stop_watch()
        else:
            watch.at_once = True  # no training is going on that notes signals
        with ExitStack() as closing:  # all of them, even if a disk is full
            for cls in _managers():
                _restore(cls._instance_dict, managed.get(cls, {}), closing)
            os.environ.clear()
            os.environ.update(environment)
            torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = cudnn
            if not joined:
                closing.callback(stop_processes, failed)
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


def _restore(instances: dict, former: dict, closing: ExitStack) -> None:
    """Drop new instances, and let their files be closed."""
    for name, instance in instances.items():
        if former.get(name) is instance:
            continue
        if isinstance(instance, MMLogger):
            for handler in list(instance.handlers):
                closing.callback(handler.close)
        elif isinstance(instance, Visualizer):
            closing.callback(instance.close)
    instances.clear()
    instances.update(former)
