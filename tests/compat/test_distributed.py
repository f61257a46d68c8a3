"""The process group: what launchers leave in the environment, and two real processes over gloo."""

import socket

import pytest
import torch
import torch.distributed as dist

from mae_transfer.compat import distributed
from mae_transfer.compat.distributed import (
    MissingProcessError,
    check_timeout,
    first_host,
    init_process_group,
    is_lost_connection,
    leave_process_group,
    torchrun_environment,
    use_cpu_model_wrapper,
)
from tests.support.ranks import free_port, run_ranks, torchrun_variables

SLURM = {
    'SLURM_PROCID': '5',
    'SLURM_NTASKS': '8',
    'SLURM_LOCALID': '1',
    'SLURM_NODELIST': 'gpu[003-006]',
    'SLURM_JOB_ID': '123456',
}


@pytest.mark.parametrize(
    ('nodelist', 'expected'),
    [
        ('localhost', 'localhost'),
        ('node-a,node-b', 'node-a'),
        ('gpu[003-006]', 'gpu003'),
        ('gpu[003-006,009],login1', 'gpu003'),
        ('gpu[9,12]', 'gpu9'),
        ('rack[1-2]n[03-04]', 'rack1n03'),
        ('a-1.cluster.org', 'a-1.cluster.org'),
    ],
)
def test_first_host__slurm_notation(nodelist, expected):
    assert first_host(nodelist) == expected


@pytest.mark.parametrize('nodelist', ['', '  ', 'gpu[003', ',a'])
def test_first_host__refuses_what_names_no_node(nodelist):
    with pytest.raises(ValueError, match='SLURM_NODELIST must name a node.*MASTER_ADDR'):
        first_host(nodelist)


def test_torchrun_environment__from_slurm():
    assert torchrun_environment(SLURM) == {
        'RANK': '5',
        'WORLD_SIZE': '8',
        'LOCAL_RANK': '1',
        'MASTER_ADDR': 'gpu003',
        'MASTER_PORT': str(15000 + 123456 % 15000),
    }


def test_torchrun_environment__keeps_the_master_that_is_given():
    given = {'MASTER_ADDR': 'other', 'MASTER_PORT': '4711'}
    environment = torchrun_environment(SLURM | given)
    assert environment | given == environment


def test_torchrun_environment__port_differs_between_jobs_and_steps():
    def port(**changes: str) -> str:
        return torchrun_environment(SLURM | changes)['MASTER_PORT']

    ports = {
        port(),
        port(SLURM_JOB_ID='123457'),
        port(SLURM_STEP_ID='1'),
        port(SLURM_STEP_ID='2'),
    }
    assert len(ports) == 4
    assert port(SLURM_PROCID='0', SLURM_LOCALID='0') == port()
    assert all(15000 <= int(number) < 30000 for number in ports)


@pytest.mark.parametrize('name', ['SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID'])
def test_torchrun_environment__names_what_is_missing(name):
    with pytest.raises(ValueError, match=f'not set: {name}; .*srun'):
        torchrun_environment({key: value for key, value in SLURM.items() if key != name})


@pytest.mark.parametrize(
    ('name', 'instead'), [('SLURM_NODELIST', 'MASTER_ADDR'), ('SLURM_JOB_ID', 'MASTER_PORT')]
)
def test_torchrun_environment__names_what_would_do_instead(name, instead):
    environ = {key: value for key, value in SLURM.items() if key != name}
    with pytest.raises(ValueError, match=f'not set: {name}; .*{instead}'):
        torchrun_environment(environ)


def test_torchrun_environment__refuses_what_is_no_number():
    with pytest.raises(ValueError, match="SLURM_PROCID must be an integer >= 0, got 'x'"):
        torchrun_environment(SLURM | {'SLURM_PROCID': 'x'})


def test_init_process_group__without_launcher_does_nothing():
    init_process_group('none')
    assert not dist.is_initialized()


def test_init_process_group__refuses_an_unknown_launcher():
    with pytest.raises(ValueError, match=r"launcher must be one of .*, got 'mpi'"):
        init_process_group('mpi')


@pytest.mark.parametrize('timeout_s', [0, -1.0])
def test_init_process_group__refuses_a_timeout_that_never_waits(timeout_s):
    with pytest.raises(ValueError, match='timeout_s must be a positive number'):
        init_process_group('none', timeout_s=timeout_s)


def test_init_process_group__names_all_missing_variables(monkeypatch):
    for name in distributed.TORCHRUN_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('RANK', '0')
    with pytest.raises(ValueError, match='WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT; .*tor'):
        init_process_group('pytorch')


@pytest.mark.parametrize('seconds', [0, -1, True, '600', float('nan'), 1e9, None])
def test_check_timeout__names_the_key_and_the_value(seconds):
    with pytest.raises(ValueError, match=f'some.key must be a positive number .* got {seconds!r}'):
        check_timeout(seconds, 'some.key')


def join_as(monkeypatch, **variables: str) -> None:
    given = dict(RANK='0', WORLD_SIZE='2', LOCAL_RANK='0', MASTER_ADDR='127.0.0.1') | variables
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    try:
        init_process_group('pytorch', timeout_s=0.5)
    finally:
        distributed._parent_watch.stop()


def test_init_process_group__names_the_port_in_use(monkeypatch):
    with socket.create_server(('', 0)) as foreign:
        port = str(foreign.getsockname()[1])
        with pytest.raises(ValueError, match=f'MASTER_PORT={port} cannot be used .*another'):
            join_as(monkeypatch, MASTER_PORT=port)


@pytest.mark.parametrize(
    ('variables', 'match'),
    [({'RANK': '2'}, 'RANK=2 must be smaller than WORLD_SIZE=2'), ({}, 'MASTER_PORT=70000 must')],
)
def test_init_process_group__refuses_numbers_out_of_range(monkeypatch, variables, match):
    with pytest.raises(ValueError, match=match):
        join_as(monkeypatch, MASTER_PORT='70000', **variables)


def test_init_process_group__says_that_the_first_process_has_not_come(monkeypatch):
    port = free_port()
    with pytest.raises(MissingProcessError, match=f'process 0 of 2 .*joined .*127.0.0.1:{port}'):
        join_as(monkeypatch, RANK='1', MASTER_PORT=port)


def test_init_process_group__does_not_wait_for_a_program_that_never_answers(monkeypatch):
    foreign = socket.create_server(('127.0.0.1', 0))
    port = str(foreign.getsockname()[1])
    with pytest.raises(MissingProcessError, match='does not answer .* another program'):
        join_as(monkeypatch, RANK='1', MASTER_PORT=port)
    foreign.detach()  # stays open: torch, which waits in a thread, would print a trace


@pytest.mark.parametrize(
    ('error', 'expected'),
    [
        (RuntimeError('[gloo/transport/tcp/pair.cc:547] Connection closed by peer [::1]:1'), True),
        (RuntimeError('[gloo/transport/tcp/buf.cc:8] Timed out waiting 9ms for recv'), True),
        (dist.DistNetworkError('Connection reset by peer'), True),
        (dist.DistBackendError('NCCL error\nncclRemoteError: A call failed possibly'), True),
        (dist.DistBackendError('NCCL error\nncclInvalidUsage: Duplicate GPU'), False),
        (RuntimeError('Connection closed by peer'), False),
        (ConnectionResetError('Connection reset by peer'), False),
        (RuntimeError('[gloo/algorithm.cc:8] op.preamble.length <= op.nbytes. 4 vs 2'), False),
    ],
)
def test_is_lost_connection__of_another_process_only(error, expected):
    assert is_lost_connection(error) is expected


def test_init_process_group__refuses_more_processes_than_gpus(monkeypatch):
    for name in distributed.TORCHRUN_VARIABLES:
        monkeypatch.setenv(name, '2')
    monkeypatch.setenv('WORLD_SIZE', '3')
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2)
    with pytest.raises(ValueError, match='LOCAL_RANK is 2, but this machine has 2 GPUs'):
        init_process_group('pytorch')


@pytest.mark.parametrize(('has_cuda', 'backend'), [(True, 'nccl'), (False, 'gloo')])
def test_init_process_group__backend_and_device(monkeypatch, has_cuda, backend):
    calls = []
    for name in distributed.TORCHRUN_VARIABLES:
        monkeypatch.setenv(name, '1')
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: has_cuda)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2)
    monkeypatch.setattr(torch.cuda, 'set_device', lambda index: calls.append(index))
    monkeypatch.setenv('RANK', '0')
    monkeypatch.setenv('MASTER_PORT', '0')
    monkeypatch.setenv('MASTER_ADDR', 'localhost')

    def join(name, store, rank, world_size, timeout):
        calls.append((name, rank, world_size, timeout.total_seconds()))

    monkeypatch.setattr(dist, 'init_process_group', join)
    init_process_group('pytorch', timeout_s=90)
    distributed._parent_watch.stop()
    # Collectives wait longer than the watch.
    assert calls == ([1] if has_cuda else []) + [(backend, 0, 1, 240)]


def test_use_cpu_model_wrapper__names_no_device(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    cfg = {'find_unused_parameters': True}
    use_cpu_model_wrapper(cfg)
    assert cfg['model_wrapper_cfg'] == {
        'type': 'MMDistributedDataParallel',
        'broadcast_buffers': False,
        'find_unused_parameters': True,
        'device_ids': None,
    }


def test_use_cpu_model_wrapper__keeps_what_the_config_says(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    cfg = {'model_wrapper_cfg': {'type': 'MMDistributedDataParallel', 'static_graph': True}}
    use_cpu_model_wrapper(cfg)
    assert cfg['model_wrapper_cfg'] == {
        'type': 'MMDistributedDataParallel',
        'static_graph': True,
        'device_ids': None,
    }


def test_use_cpu_model_wrapper__leaves_gpu_runs_alone(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    cfg: dict = {}
    use_cpu_model_wrapper(cfg)
    assert cfg == {}


def add_up_ranks(launcher: str) -> None:
    init_process_group(launcher, timeout_s=120)
    init_process_group(launcher, timeout_s=120)  # the second call is a no-op
    number = torch.tensor(dist.get_rank() + 1)
    dist.all_reduce(number)
    print(dist.get_backend(), dist.get_rank(), number.item())
    leave_process_group(failed=False)
    assert not dist.is_initialized()


def slurm_variables() -> list[dict[str, str]]:
    shared = SLURM | {
        'SLURM_NODELIST': 'localhost',
        'SLURM_NTASKS': '2',
        'MASTER_PORT': free_port(),
    }
    return [shared | {'SLURM_PROCID': rank, 'SLURM_LOCALID': rank} for rank in ('0', '1')]


@pytest.mark.slow
@pytest.mark.parametrize(
    ('launcher', 'variables'), [('pytorch', torchrun_variables), ('slurm', slurm_variables)]
)
def test_init_process_group__two_processes_without_cuda(launcher, variables, tmp_path):
    printed = run_ranks(add_up_ranks, launcher, folder=tmp_path, environments=variables())
    assert printed == ['gloo 0 3\n', 'gloo 1 3\n']
