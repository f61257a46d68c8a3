"""Processes that form a group, each forked from a server that has imported the package once.

A fresh interpreter takes six seconds to import the package. The server takes them once; it has
neither threads nor a CUDA context, so what it forks starts as clean as a fresh interpreter.
"""

import multiprocessing
import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

SERVER = multiprocessing.get_context('forkserver')
SERVER.set_forkserver_preload(['mae_transfer', 'mae_transfer.optim.fully_shard'])


def free_port() -> str:
    """A port of this machine that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return str(listener.getsockname()[1])


def torchrun_variables(world_size: int = 2) -> list[dict[str, str]]:
    """What torchrun would set in the environment of each rank."""
    shared = {'MASTER_ADDR': '127.0.0.1', 'MASTER_PORT': free_port(), 'WORLD_SIZE': str(world_size)}
    return [shared | {'RANK': str(rank), 'LOCAL_RANK': str(rank)} for rank in range(world_size)]


def run_ranks(
    function: Callable[..., None],
    *arguments: object,
    folder: Path,
    environments: Sequence[dict[str, str]] | None = None,
    timeout_s: float = 300.0,
) -> list[str]:
    """Call a function in one process a rank, on one thread each and without CUDA.

    Args:
        function: One that a module offers by name; each process imports it from there.
        arguments: Its arguments, the same for each rank.
        folder: Where the output of each rank is kept.
        environments: What each rank finds in its environment; None is what torchrun would set for
            two ranks.
        timeout_s: How long the ranks may take, in seconds.

    Returns:
        What each rank printed.
    """
    environments = environments or torchrun_variables()
    outputs = [folder / f'rank{rank}.txt' for rank in range(len(environments))]
    processes = [
        SERVER.Process(target=_call, args=(function, arguments, environment, output))
        for environment, output in zip(environments, outputs, strict=True)
    ]
    for process in processes:
        process.start()
    deadline = time.monotonic() + timeout_s
    for process in processes:
        process.join(max(deadline - time.monotonic(), 0))
    codes = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
        process.join()
    printed = [output.read_text() if output.exists() else '' for output in outputs]
    for rank, (code, text) in enumerate(zip(codes, printed, strict=True)):
        ended = f'took longer than {timeout_s} s' if code is None else f'ended with {code}'
        assert code == 0, f'rank {rank} {ended}: {text[-3000:]}'
    return printed


def _call(
    function: Callable[..., None],
    arguments: tuple[object, ...],
    environment: dict[str, str],
    output: Path,
) -> None:
    with output.open('w') as stream:
        os.dup2(stream.fileno(), sys.stdout.fileno())
        os.dup2(stream.fileno(), sys.stderr.fileno())
    os.environ.update(environment, CUDA_VISIBLE_DEVICES='')
    torch.set_num_threads(1)
    function(*arguments)
