"""Starts and stops the processes of a run, and prints from only one of them."""

import os
import sys

from mmengine.config import Config

from mae_transfer.compat.distributed import (
    DEFAULT_TIMEOUT_S,
    check_timeout,
    init_process_group,
    leave_process_group,
    use_cpu_model_wrapper,
)


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

    Args:
        cfg: The config; ``env_cfg.dist_cfg.timeout`` is the time limit for joining, for a sign of
            life of each process, and for a step, in seconds.
        launcher: How the processes were started: 'none', 'pytorch' or 'slurm'.

    Raises:
        ValueError: The time limit, or what the launcher says about this process, is not valid.
        MissingProcessError: Not all processes joined in time.
    """
    cfg.launcher = launcher
    if launcher != 'none':
        dist_cfg = (cfg.get('env_cfg') or {}).get('dist_cfg') or {}
        timeout_s = dist_cfg.get('timeout', DEFAULT_TIMEOUT_S)
        check_timeout(timeout_s, 'env_cfg.dist_cfg.timeout')
        init_process_group(launcher, timeout_s=timeout_s)
        use_cpu_model_wrapper(cfg)


def has_process_group() -> bool:
    """Return whether this process has joined others."""
    distributed = sys.modules.get('torch.distributed')
    return bool(distributed and distributed.is_available() and distributed.is_initialized())


def stop_processes(failed: bool = False) -> None:
    """Leave the process group, if there is one.

    Args:
        failed: Whether an error ends this process; the others are then not waited for.
    """
    if has_process_group():
        leave_process_group(failed)
