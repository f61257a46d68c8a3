"""Starts process groups with or without CUDA, under torchrun and Slurm.

MMEngine's own ``init_dist`` calls ``torch.cuda.set_device`` and so fails on machines without CUDA.
The Runner uses a process group that exists already, so a run calls :func:`init_process_group`
first: gloo on CPUs, nccl on GPUs. The variables that launchers set are checked here; an error names
the missing ones.
"""

from __future__ import annotations

import os
import re
from collections.abc import MutableMapping
from datetime import timedelta

import torch
import torch.distributed as dist

LAUNCHERS = ('none', 'pytorch', 'slurm')
TORCHRUN_VARIABLES = ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT')
SLURM_VARIABLES = ('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID')

# Ports for Slurm jobs: above the registered services, below Linux's ephemeral ports.
FIRST_SLURM_PORT = 15000
NUM_SLURM_PORTS = 15000


def init_process_group(
    launcher: str, backend: str | None = None, timeout_s: float = 1800.0
) -> None:
    """Join the process group that ``torchrun`` or ``srun`` has started.

    Does nothing for the launcher 'none' or if the group exists already. Under Slurm this sets the
    variables that torch and MMEngine read (``RANK``, ``WORLD_SIZE``, ``LOCAL_RANK``,
    ``MASTER_ADDR``, ``MASTER_PORT``); an existing ``MASTER_ADDR`` or ``MASTER_PORT`` is kept.

    Args:
        launcher: 'none', 'pytorch' (torchrun) or 'slurm' (srun).
        backend: 'gloo', 'nccl' or another backend of ``torch.distributed``. None is nccl if there
            is a GPU and gloo otherwise.
        timeout_s: How long a process waits for the others before it fails, in seconds.

    Raises:
        ValueError: The launcher is unknown, the timeout is not positive, a variable of the launcher
            is missing or not a number, or this machine has fewer GPUs than processes.
    """
    if launcher not in LAUNCHERS:
        raise ValueError(f'launcher must be one of {LAUNCHERS}, got {launcher!r}')
    if not timeout_s > 0:
        raise ValueError(f'timeout_s must be a positive number of seconds, got {timeout_s!r}')
    if launcher == 'none' or dist.is_initialized():
        return
    if launcher == 'slurm':
        os.environ.update(torchrun_environment(os.environ))
    _require_variables(
        os.environ,
        TORCHRUN_VARIABLES,
        "launcher='pytorch' reads what torchrun sets: start with tools/dist_train.sh CONFIG NUM, "
        "or with launcher='none' for one process",
    )
    if torch.cuda.is_available():
        _take_gpu(_read_number(os.environ, 'LOCAL_RANK'))
    if backend is None:
        backend = 'nccl' if torch.cuda.is_available() else 'gloo'
    dist.init_process_group(backend, timeout=timedelta(seconds=timeout_s))


def use_cpu_model_wrapper(cfg: MutableMapping) -> None:
    """Keep MMEngine's Runner from passing a GPU to DistributedDataParallel if there is none.

    The Runner passes ``device_ids=[LOCAL_RANK]``, which DistributedDataParallel refuses for a model
    on the CPU. Without CUDA this sets ``device_ids=None`` in ``cfg['model_wrapper_cfg']``; with
    CUDA it changes nothing. The config's other settings of the wrapper are kept.

    Args:
        cfg: The Runner's config; changed in place.
    """
    if torch.cuda.is_available():
        return
    wrapper = dict(cfg.get('model_wrapper_cfg') or {})
    if not wrapper:  # the Runner's own defaults for a config without a wrapper
        wrapper = {
            'type': 'MMDistributedDataParallel',
            'broadcast_buffers': False,
            'find_unused_parameters': cfg.get('find_unused_parameters', False),
        }
    wrapper['device_ids'] = None
    cfg['model_wrapper_cfg'] = wrapper


def torchrun_environment(environ: MutableMapping[str, str]) -> dict[str, str]:
    """Translate Slurm's variables into torchrun's.

    Args:
        environ: Variables of a process started by ``srun``.

    Returns:
        ``RANK``, ``WORLD_SIZE``, ``LOCAL_RANK``, ``MASTER_ADDR`` and ``MASTER_PORT``. The port
        is derived from the job and its step: equal on all nodes, and rarely shared by two jobs.

    Raises:
        ValueError: A variable is missing or not a number.
    """
    _require_variables(
        environ,
        SLURM_VARIABLES,
        "launcher='slurm' reads what srun sets: start with tools/slurm_train.sh, or with "
        "launcher='pytorch' under torchrun",
    )
    if 'MASTER_ADDR' not in environ:
        _require_variables(
            environ, ('SLURM_NODELIST',), 'set it, or MASTER_ADDR to the name of the first node'
        )
    if 'MASTER_PORT' not in environ:
        _require_variables(
            environ, ('SLURM_JOB_ID',), 'set it, or MASTER_PORT to a port that is free on all nodes'
        )
    return {
        'RANK': str(_read_number(environ, 'SLURM_PROCID')),
        'WORLD_SIZE': str(_read_number(environ, 'SLURM_NTASKS')),
        'LOCAL_RANK': str(_read_number(environ, 'SLURM_LOCALID')),
        'MASTER_ADDR': environ.get('MASTER_ADDR') or first_host(environ['SLURM_NODELIST']),
        'MASTER_PORT': environ.get('MASTER_PORT') or str(_slurm_port(environ)),
    }


def first_host(nodelist: str) -> str:
    """Return the first node of a Slurm node list, without calling ``scontrol``.

    Args:
        nodelist: Slurm's notation, for example ``'gpu[003-006,009],login1'``.

    Returns:
        The first name, for example ``'gpu003'``.

    Raises:
        ValueError: The list is empty or its brackets do not match.
    """
    match = re.match(r'(?:[^\[\],\s]|\[[^\[\]]+\])+(?=,|$)', nodelist.strip())
    if match is None:
        raise ValueError(
            f'SLURM_NODELIST must name a node, as in gpu[003-006], got {nodelist!r}; '
            'set MASTER_ADDR to the name of the first node'
        )
    return re.sub(r'\[([^\],-]+)[^\]]*\]', r'\1', match.group())


def _slurm_port(environ: MutableMapping[str, str]) -> int:
    """Derive a port from job and step, so that two steps of one job differ as well."""
    job = _read_number(environ, 'SLURM_JOB_ID')
    step = _read_number(environ, 'SLURM_STEP_ID') if 'SLURM_STEP_ID' in environ else 0
    return FIRST_SLURM_PORT + (job + 101 * step) % NUM_SLURM_PORTS


def _take_gpu(local_rank: int) -> None:
    """Make the GPU with the local rank of this process the current one."""
    num_gpus = torch.cuda.device_count()
    if local_rank >= num_gpus:
        raise ValueError(
            f'LOCAL_RANK is {local_rank}, but this machine has {num_gpus} GPUs, numbered from 0: '
            f'start at most {num_gpus} processes here, or none with CUDA_VISIBLE_DEVICES=-1'
        )
    torch.cuda.set_device(local_rank)


def _require_variables(
    environ: MutableMapping[str, str], names: tuple[str, ...], remedy: str
) -> None:
    missing = [name for name in names if not environ.get(name)]
    if missing:
        raise ValueError(f'environment variables not set: {", ".join(missing)}; {remedy}')


def _read_number(environ: MutableMapping[str, str], name: str) -> int:
    value = environ[name]
    if not value.isdecimal():
        raise ValueError(f'environment variable {name} must be an integer >= 0, got {value!r}')
    return int(value)
