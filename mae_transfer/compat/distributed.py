"""Starts process groups with or without CUDA, under torchrun and Slurm.

MMEngine's own ``init_dist`` calls ``torch.cuda.set_device`` and so fails on machines without CUDA.
The Runner uses a process group that exists already, so a run calls :func:`init_process_group`
first: gloo on CPUs, nccl on GPUs. The variables that launchers set are checked here; an error names
the missing ones.

The processes meet at a store, which the first of them holds, and give a first sign of life there,
so that one that does not come can be named. While they run, :mod:`mae_transfer.processes.heartbeat`
watches them.
"""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections.abc import MutableMapping
from datetime import timedelta

import torch
import torch.distributed as dist

from mae_transfer.processes.control_group import forget_control_group
from mae_transfer.processes.heartbeat import start_heartbeat, stop_heartbeat
from mae_transfer.processes.launcher import has_own_launcher
from mae_transfer.processes.parent_watch import ParentWatch

LAUNCHERS = ('none', 'pytorch', 'slurm')
TORCHRUN_VARIABLES = ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT')
SLURM_VARIABLES = ('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID')

# Ports for Slurm jobs: above the registered services, below Linux's ephemeral ports.
FIRST_SLURM_PORT = 15000
NUM_SLURM_PORTS = 15000

# How the backends say that another process has closed its connection.
CLOSED_CONNECTION = re.compile(
    r'connection (was )?(closed|reset|refused) by|connection reset|broken pipe|ncclRemoteError'
    r'|remote process exited|socket timeout|gloo/transport.*(timed out|timeout)'
    r'|failed to (recv|send), got \d+ bytes|recvValue failed|sendBytes failed',
    re.IGNORECASE | re.DOTALL,
)


# A week: longer than any pause that is meant.
LONGEST_TIMEOUT_S = 604800
DEFAULT_TIMEOUT_S = 600.0


class MissingProcessError(RuntimeError):
    """Some processes of a run have not joined the others in time."""


def init_process_group(
    launcher: str, backend: str | None = None, timeout_s: float = DEFAULT_TIMEOUT_S
) -> None:
    """Join the process group that a launcher has started, and watch the other processes from then.

    Does nothing for the launcher 'none' or if the group exists already. Under Slurm this sets the
    variables that torch and MMEngine read (``RANK``, ``WORLD_SIZE``, ``LOCAL_RANK``,
    ``MASTER_ADDR``, ``MASTER_PORT``); an existing ``MASTER_ADDR`` or ``MASTER_PORT`` is kept.

    Args:
        launcher: 'none', 'pytorch' (tools/dist_train.sh, torchrun) or 'slurm' (srun).
        backend: 'gloo', 'nccl' or another backend of ``torch.distributed``. None is nccl if there
            is a GPU and gloo otherwise.
        timeout_s: Time limit in seconds: for all processes to join, for a sign of life of each, and
            for a step of any.

    Raises:
        ValueError: The launcher is unknown, the timeout is not positive, a variable of the launcher
            is missing or not a number, this machine has fewer GPUs than processes, or the port of
            the first process is in use.
        MissingProcessError: Not all processes joined in time.
    """
    if launcher not in LAUNCHERS:
        raise ValueError(f'launcher must be one of {LAUNCHERS}, got {launcher!r}')
    check_timeout(timeout_s, 'timeout_s')
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
    rank, world_size, local_rank, port = (
        _read_number(os.environ, name)
        for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_PORT')
    )
    if rank >= world_size:
        raise ValueError(f'RANK={rank} must be smaller than WORLD_SIZE={world_size}')
    if port > 65535:
        raise ValueError(f'MASTER_PORT={port} must be a port, at most 65535')
    if torch.cuda.is_available():
        _take_gpu(local_rank)
    if backend is None:
        backend = 'nccl' if torch.cuda.is_available() else 'gloo'
    if not has_own_launcher():  # which lets the kernel send the signal
        _parent_watch.start()
    # The watch is to speak first: it names the process that hangs, the others the one that waits.
    patience = timedelta(seconds=2 * timeout_s + 60)
    stores = _open_stores(os.environ['MASTER_ADDR'], port, rank, world_size, timeout_s, patience)
    if world_size > 1:
        start_heartbeat(stores[1], rank, world_size, timeout_s)
    dist.init_process_group(
        backend,
        store=stores[0],
        rank=rank,
        world_size=world_size,
        timeout=patience,
    )


def check_timeout(seconds: object, name: str) -> None:
    """Refuse a time limit that is not one.

    Args:
        seconds: The time limit.
        name: The argument or the key that it was given by.

    Raises:
        ValueError: It is no positive number, or longer than a week.
    """
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not 0 < seconds <= LONGEST_TIMEOUT_S:  # type: ignore[operator]
        raise ValueError(
            f'{name} must be a positive number of seconds, at most {LONGEST_TIMEOUT_S} (a week), '
            f'got {seconds!r}'
        )


def leave_process_group(failed: bool) -> None:
    """Leave the process group, and stop watching the other processes.

    After an error in a run of several processes the group stays, as leaving it may wait for the
    others: the process is expected to end.

    Args:
        failed: Whether this process ends because of an error.
    """
    stop_heartbeat(failed)
    _parent_watch.stop()
    if not (failed and dist.get_world_size() > 1):
        forget_control_group()
        dist.destroy_process_group()


def is_lost_connection(error: BaseException) -> bool:
    """Return whether an error says only that another process has ended, or does not answer.

    Args:
        error: One that left a collective, the store or a backward pass.
    """
    from_torch = isinstance(error, dist.DistError) or 'gloo/' in str(error)
    return from_torch and CLOSED_CONNECTION.search(str(error)) is not None


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


def _open_stores(
    host: str, port: int, rank: int, world_size: int, timeout_s: float, patience: timedelta
) -> tuple[dist.Store, dist.Store]:
    """Open two connections to the store of the run, which the first process holds, or torchrun.

    Args:
        host: Where the store is.
        port: Its port.
        rank: This process.
        world_size: Number of processes.
        timeout_s: How long to wait for the store, in seconds.
        patience: How long a call may take.

    Returns:
        One for the process group and one for the watch.

    Raises:
        ValueError: The port of the first process is in use.
        MissingProcessError: There is no store, or it does not answer.
    """
    holds = rank == 0 and os.environ.get('TORCHELASTIC_USE_AGENT_STORE') != 'True'
    opened: list[dist.TCPStore] = []

    def connect(is_master: bool = False) -> None:
        store = dist.TCPStore(
            host, port, world_size, is_master, timeout=patience, wait_for_workers=False
        )
        opened.append(store)

    if holds:
        try:
            connect(is_master=True)
        except dist.DistNetworkError as error:
            reason = str(error).partition('\n')[0]
            raise ValueError(
                f'MASTER_PORT={port} cannot be used on this machine: choose another one ({reason})'
            ) from error
        port = opened[0].port
    else:
        _wait_for_port(host, port, world_size, timeout_s)
    # A program that accepts connections and never answers would be waited for without end.
    while len(opened) < 2:
        connecting = threading.Thread(target=connect, daemon=True)
        before = len(opened)
        connecting.start()
        connecting.join(timeout_s)
        if len(opened) == before:
            raise MissingProcessError(
                f'process 0 of {world_size} does not answer at {host}:{port} '
                f'(MASTER_ADDR:MASTER_PORT) within {timeout_s:g} s: it is frozen, or the port '
                'belongs to another program'
            )
    # torchrun's store outlives a start that failed.
    start = f'start {os.environ.get("TORCHELASTIC_RESTART_COUNT", 0)}'
    group, watch = (dist.PrefixStore(start, store) for store in opened)
    return group, watch


def _wait_for_port(host: str, port: int, world_size: int, timeout_s: float) -> None:
    """Wait until the first process listens; torch's store would print a trace for each attempt.

    Raises:
        MissingProcessError: It does not.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            socket.create_connection((host, port), timeout=timeout_s).close()
            return
        except OSError as error:
            if time.monotonic() >= deadline:
                raise MissingProcessError(
                    f'process 0 of {world_size} has not joined within {timeout_s:g} s: nothing '
                    f'answers at {host}:{port}, MASTER_ADDR:MASTER_PORT ({error}); if it needs '
                    f'more time, raise env_cfg.dist_cfg.timeout={timeout_s:g} (seconds)'
                ) from error
        time.sleep(min(1.0, timeout_s / 20))


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


_parent_watch = ParentWatch()


def _read_number(environ: MutableMapping[str, str], name: str) -> int:
    value = environ[name]
    if not value.isdecimal():
        raise ValueError(f'environment variable {name} must be an integer >= 0, got {value!r}')
    return int(value)
