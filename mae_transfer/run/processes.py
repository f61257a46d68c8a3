"""Starts and stops the processes of a run, and prints from only one of them."""

import os
import sys

from mmengine.config import Config

from mae_transfer.compat.distributed import init_process_group, use_cpu_model_wrapper


def is_main_process() -> bool:
    """Return whether this is the first process of the run, before and after processes join."""
    return int(os.environ.get('RANK', os.environ.get('SLURM_PROCID', 0))) == 0


def say(line: str) -> None:
    """Print on the first process only."""
    if is_main_process():
        print(line, flush=True)


def start_processes(cfg: Config, launcher: str) -> None:
    """Join the processes of a distributed run, with or without GPUs.

    mmengine's own start needs CUDA, but its Runner uses a process group that exists already.
    """
    cfg.launcher = launcher
    if launcher != 'none':
        init_process_group(launcher)
        use_cpu_model_wrapper(cfg)


def has_process_group() -> bool:
    """Return whether this process has joined others."""
    distributed = sys.modules.get('torch.distributed')
    return bool(distributed and distributed.is_available() and distributed.is_initialized())


def stop_processes() -> None:
    """Leave the process group, if there is one."""
    if has_process_group():
        sys.modules['torch.distributed'].destroy_process_group()
