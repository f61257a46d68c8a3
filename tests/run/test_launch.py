"""The launcher of several processes: signals, failures and what is left, with stub processes."""

import os
import runpy
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mae_transfer.processes import launcher
from tests.support.launches import LAUNCH, Launch
from tests.support.tools import TOOLS


@pytest.mark.parametrize('name', ['SIGTERM', 'SIGINT', 'SIGUSR1', 'SIGHUP'])
def test_launch__passes_a_signal_on_once_and_waits(tmp_path, name):
    number = signal.Signals[name]
    if signal.getsignal(number) == signal.SIG_IGN:
        pytest.skip('this session ignores it, as under nohup')
    run = Launch(tmp_path, 'child+stop+wait', 'stop+wait').ready().send(number)
    code, error = run.end()
    assert code == 128 + number
    assert error == (
        f'{name}: waiting at most 600 s for processes 0 and 1 to end; a second signal ends all at '
        'once\n'
    )
    assert run.signals() == [name, name] and run.left() == []


def test_launch__a_process_that_knows_no_signals_dies_of_it(tmp_path):
    code, error = Launch(tmp_path, 'wait', 'wait').ready().send(signal.SIGUSR1).end()
    assert code == 138 and error.count('\n') == 1


def test_launch__a_second_signal_ends_all_at_once(tmp_path):
    run = Launch(tmp_path, 'child+ignore+wait', 'ignore+wait').ready()
    run.send(signal.SIGTERM)
    time.sleep(0.3)
    code, _ = run.send(signal.SIGINT).end(timeout_s=5)
    assert code == 130
    assert run.signals() == ['SIGTERM', 'SIGTERM'] and run.left() == []


def test_launch__signals_of_one_moment_are_one(tmp_path):
    run = Launch(tmp_path, 'stop+wait', 'stop+wait').ready()
    for number in (signal.SIGTERM, signal.SIGHUP):  # as by systemd, or from a closed terminal
        run.process.send_signal(number)
    code, error = run.end()
    first = run.signals()[0]
    assert run.signals() == [first, first]  # SIGHUP, if both are there when they are asked for
    assert code == 128 + signal.Signals[first] and error.count('waiting at most') == 1


def test_launch__a_signal_to_one_process_ends_all(tmp_path):
    """Before they train, they have not agreed on what to do, and lose or wait for the one."""
    run = Launch(tmp_path, 'stop+wait', 'lost:gone+later:0.5+exit:1').ready()
    os.kill(int((tmp_path / '0.pids').read_text()), signal.SIGTERM)
    assert run.end() == (143, '')


def test_launch__does_not_wait_for_long_for_those_that_have_got_no_signal():
    launch = runpy.run_path(str(LAUNCH))
    launch['wait_for'].__globals__['SETTLE_AFTER_SIGNAL_S'] = 0.1
    codes = ('import sys; sys.exit(138)', 'import time; time.sleep(60)')
    ranks = [
        launch['Rank'](
            number,
            subprocess.Popen([sys.executable, '-c', code], start_new_session=True),
            Path('nowhere'),
        )
        for number, code in enumerate(codes)
    ]
    former = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    try:
        assert launch['wait_for'](ranks, {signal.SIGCHLD}, 60.0, 60.0) == 138
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)
    assert ranks[1].killed


def test_launch__kills_what_outlasts_the_grace(tmp_path):
    run = Launch(tmp_path, 'stop+wait', 'child+ignore+wait', options=('--grace', '0.6')).ready()
    code, error = run.send(signal.SIGTERM).end()
    assert code == 137
    assert error.endswith('error: process 1 did not end within 0.6 s of SIGTERM: killed\n')
    assert run.left() == []


def test_launch__that_is_killed_stops_its_processes(tmp_path):
    run = Launch(tmp_path, 'stop+wait', 'stop+wait').ready().send(signal.SIGKILL)
    run.end()
    assert run.left() == [] and run.signals() == ['SIGTERM', 'SIGTERM']


def test_launch__says_the_same_error_once(tmp_path):
    code, error = Launch(tmp_path, *['tell:no key lr+exit:2'] * 3).end()
    assert code == 2 and error == 'error: no key lr\n'


def test_launch__prints_what_is_said_of_the_whole_run(tmp_path):
    actions = ['ignore+wait', 'run:process 0 is frozen+exit:4', 'lost:late+later:0.1+exit:4']
    code, error = Launch(tmp_path, *actions, options=('--settle', '0.5')).end()
    assert code == 4 and error == 'error: process 0 is frozen\n'


@pytest.mark.parametrize(('before', 'after'), [(0.2, 0), (0, 0.5)])
def test_launch__prints_the_cause_and_not_its_consequences(tmp_path, before, after):
    """Whichever process ends first: the one with the bug may take longer to say so, or to end."""
    actions = ['lost:connection closed+exit:1'] * 3
    actions[1] = f'later:{before}+tell:boom+later:{after}+exit:3'
    code, error = Launch(tmp_path, *actions).end()
    assert code == 3 and error == 'error (process 1): boom\n'


def test_launch__counts_errors_that_differ(tmp_path):
    actions = ['later:0.3+tell:late+exit:1', 'tell:early+exit:1']
    code, error = Launch(tmp_path, *actions).end()
    assert code == 1
    assert (
        error == 'error (process 1): early\nprocess 0 failed as well, later and with other errors\n'
    )


def test_launch__ends_the_others_when_one_fails(tmp_path):
    actions = ['child+ignore+wait', 'ignore+wait', 'child+exit:5']
    run = Launch(tmp_path, *actions, options=('--settle', '0.3'))
    code, error = run.end(timeout_s=15)
    assert code == 5 and error == 'error (process 2): ended with exit code 5\n'
    assert run.left() == [] and run.signals() == [''] * 3


@pytest.mark.parametrize(
    ('number', 'hint'), [(signal.SIGKILL, 'out of memory'), (signal.SIGSEGV, '')]
)
def test_launch__names_a_process_that_was_killed(tmp_path, number, hint):
    code, error = Launch(tmp_path, 'exit:0', f'child+kill:{number}').end()
    assert code == 128 + number
    assert f'error (process 1): killed by {number.name}' in error and hint in error


def test_launch__ends_well_only_if_all_do(tmp_path):
    run = Launch(tmp_path, 'child+print:one+exit:0', 'later:0.2+print:two')
    output, error = run.process.communicate(timeout=30)
    assert (run.process.returncode, error) == (0, '') and set(output.split()) == {'one', 'two'}
    assert run.left() == []


def test_launch__two_machines_number_their_processes_on(tmp_path):
    nodes = Launch.of_two_machines(tmp_path)
    for node in nodes:
        node.ready().send(signal.SIGTERM)
    assert [node.end()[0] for node in nodes] == [143, 143]
    assert [node.left() for node in nodes] == [[], []]


@pytest.mark.parametrize('address', ['', '127.0.0.1'])
def test_launch__refuses_a_port_in_use(tmp_path, address):
    with socket.create_server((address, 0)) as foreign:
        port = str(foreign.getsockname()[1])
        code, error = Launch(tmp_path, 'wait', options=('--port', port)).end(timeout_s=5)
    assert code == 2 and error.count('\n') == 1
    assert f'PORT={port} cannot be used' in error


def test_launch__refuses_an_unknown_machine(tmp_path):
    options = ('--nodes', '2', '--node-rank', '1', '--port', '5', '--address', 'no..such')
    code, error = Launch(tmp_path, 'wait', options=options).end(timeout_s=20)
    assert code == 2 and 'MASTER_ADDR=no..such' in error and error.count('\n') == 1


def test_launch__refuses_more_processes_than_gpus(tmp_path, monkeypatch):
    """With a stand-in for nvidia-smi."""
    program = tmp_path / 'nvidia-smi'
    program.write_text('#!/bin/sh\necho "GPU 0: A100"; echo "GPU 1: A100"; echo "GPU 2: A100"\n')
    program.chmod(0o755)
    monkeypatch.setenv('PATH', f'{tmp_path}:/usr/bin:/bin')
    check_gpus = runpy.run_path(str(LAUNCH))['check_gpus']
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
    check_gpus(3)
    with pytest.raises(ValueError, match='GPUS=4, but this machine has 3 GPUs'):
        check_gpus(4)
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '0,2')
    with pytest.raises(ValueError, match='has 2 GPUs that CUDA_VISIBLE_DEVICES=0,2 shows'):
        check_gpus(3)
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '-1')
    check_gpus(64)


def test_launch__imports_the_standard_library_alone(tmp_path):
    """And so little of it that it starts quickly; the names are those that a process looks for."""
    names = runpy.run_path(str(LAUNCH))
    for name in ('LAUNCHER_PID', 'ERROR_FILE'):
        assert names[name] == getattr(launcher, name)
    command = f'import runpy, sys; runpy.run_path({str(LAUNCH)!r}); print(len(sys.modules))'
    loaded = subprocess.run(
        [Launch.__init__.__globals__['sys'].executable, '-I', '-S', '-c', command],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert int(loaded) < 200
    assert (TOOLS / 'launchers.sh').is_file()
