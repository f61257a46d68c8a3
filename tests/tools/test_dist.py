"""dist_train.sh and dist_test.sh: two processes, two jobs at once, pre-training and both tasks."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.support.launches import wait_until
from tests.support.tools import CONFIGS, TOOLS, finish, start


@pytest.mark.slow
def test_dist__two_jobs_of_two_processes_train_and_evaluate(
    tmp_path, coco_options, mask_options, coco_folder
):
    jobs = {'tiny_mask_rcnn': coco_options, 'tiny_upernet': mask_options}

    def run_both(tool: str, **arguments) -> dict[str, str]:
        started = {
            name: start(
                TOOLS / tool,
                CONFIGS / f'{name}.py',
                *arguments[name],
                '--cfg-options',
                *options,
                cwd=tmp_path,
            )
            for name, options in jobs.items()
        }
        return {name: finish(process) for name, process in started.items()}

    printed = run_both('dist_train.sh', **{name: ['2', '--work-dir', name] for name in jobs})
    assert '80 -> 2' in printed['tiny_mask_rcnn']
    assert '150 -> 3' in printed['tiny_upernet']

    printed = run_both(
        'dist_test.sh',
        **{
            name: [
                f'{name}/iter_2.pth',
                '2',
                '--work-dir',
                f'{name}_test',
                '--out',
                f'{name}.json',
                '--show-dir',
                f'{name}_shown',
            ]
            for name in jobs
        },
    )
    det, seg = (json.loads((tmp_path / f'{name}.json').read_text()) for name in jobs)
    assert {'box_AP', 'mask_AP'} <= det['metrics'].keys()
    assert 'mIoU' in seg['metrics']
    assert 'box_AP' in printed['tiny_mask_rcnn']
    for name, count in (('tiny_mask_rcnn', 3), ('tiny_upernet', 2)):
        shown = sorted(path.name for path in (tmp_path / f'{name}_shown').iterdir())
        assert shown == [f'{i}.png' for i in range(count)]

    # One process measures what two measured: no picture is lost or counted twice.
    single = start(
        sys.executable,
        TOOLS / 'test.py',
        CONFIGS / 'tiny_upernet.py',
        'tiny_upernet/iter_2.pth',
        '--work-dir',
        'single',
        '--out',
        'single.json',
        '--cfg-options',
        *mask_options,
        cwd=tmp_path,
    )
    # Both processes go through the trial, clear the work dir and train as long as it says.
    (tmp_path / 'mae').mkdir()
    (tmp_path / 'mae' / 'iter_9.pth').touch()
    pretraining = start(
        *('bash', TOOLS / 'dist_train.sh', CONFIGS / 'tiny_mae.py', '2', '--work-dir', 'mae'),
        *('--overwrite', '--minutes', '0.0001', '--cfg-options'),
        *(f'data.root={coco_folder}', 'data.train_img=train'),
        cwd=tmp_path,
    )
    finish(single)
    assert json.loads((tmp_path / 'single.json').read_text())['metrics'] == pytest.approx(
        seg['metrics']
    )
    printed = finish(pretraining)
    assert 'loss' in printed
    assert printed.count('--overwrite: removed iter_9.pth from mae') == 1
    assert 'length 2 -> 1 iterations' in printed
    assert [path.name for path in (tmp_path / 'mae').glob('*.pth')] == ['iter_1.pth']


SHARDED = (
    'runner_type=FlexibleRunner',
    'strategy.type=FullyShardStrategy',
    'env_cfg.cudnn_benchmark=False',
)


@pytest.mark.slow
def test_dist__sharded_pretraining_and_detection(tmp_path, coco_options, coco_folder):
    """Weights spread over two processes; one process evaluates the checkpoint as any other."""
    data = [f'data.root={coco_folder}', 'data.train_img=train']
    jobs = {'tiny_mae': data, 'tiny_mask_rcnn': coco_options}
    started = [
        start(
            *(TOOLS / 'dist_train.sh', CONFIGS / f'{name}.py', '2', '--work-dir', name),
            *('--cfg-options', *options, *SHARDED),
            cwd=tmp_path,
        )
        for name, options in jobs.items()
    ]
    for process in started:
        assert 'loss' in finish(process)
    encoder = torch.load(tmp_path / 'tiny_mae' / 'iter_2.pth', weights_only=False)['state_dict']
    assert encoder['backbone.blocks.0.attn.qkv.weight'].shape == (96, 32)
    test = start(
        *(sys.executable, TOOLS / 'test.py', CONFIGS / 'tiny_mask_rcnn.py'),
        *('tiny_mask_rcnn/iter_2.pth', '--cfg-options', *coco_options),
        cwd=tmp_path,
    )
    assert 'box_AP' in finish(test)


@pytest.mark.parametrize(
    'environment, command, message',
    [
        ({}, ['dist_train.sh', 'config.py'], 'usage'),
        ({}, ['dist_test.sh', 'config.py', '2'], 'usage'),
        (
            {},
            ['dist_train.sh', 'config.py', 'two'],
            "GPUS must be a number of processes, got 'two'",
        ),
        ({}, ['dist_test.sh', 'config.py', 'x.pth', '0'], "GPUS must be .*, got '0'"),
        ({'NNODES': '2'}, ['dist_train.sh', 'config.py', '2'], 'needs NODE_RANK'),
        ({'NNODES': 'abc'}, ['dist_train.sh', 'config.py', '2'], "NNODES must be .*, got 'abc'"),
        ({'NNODES': '0'}, ['dist_train.sh', 'config.py', '2'], "NNODES must be .*, got '0'"),
        (
            {'NNODES': '2', 'NODE_RANK': '2', 'PORT': '5000', 'MASTER_ADDR': 'localhost'},
            ['dist_train.sh', 'config.py', '2'],
            "NODE_RANK must be .*, got '2'; .* from 0 to 1",
        ),
        ({'PORT': 'abc'}, ['dist_train.sh', 'config.py', '2'], "PORT must be .*, got 'abc'"),
        ({'PORT': '99999'}, ['dist_train.sh', 'config.py', '2'], "PORT must be .*, got '99999'"),
        ({'GRACE_SECONDS': '1m'}, ['dist_train.sh', 'c.py', '2'], "GRACE_SECONDS .*, got '1m'"),
        ({'GPUS': 'abc'}, ['slurm_train.sh', 'p', 'j', 'c.py'], "GPUS must be .*, got 'abc'"),
        ({'GPUS': '0'}, ['slurm_test.sh', 'p', 'j', 'c.py', 'x'], "GPUS must be .*, got '0'"),
        (
            {'GPUS': '4', 'GPUS_PER_NODE': '8'},
            ['slurm_train.sh', 'p', 'j', 'c.py'],
            "GPUS_PER_NODE .* at most GPUS, got '8'; .* from 1 to 4",
        ),
        ({'CPUS_PER_TASK': '0'}, ['slurm_train.sh', 'p', 'j', 'c.py'], "CPUS_PER_TASK .*'0'"),
        ({'SLURM_BATCH': 'no'}, ['slurm_train.sh', 'p', 'j', 'c.py'], "SLURM_BATCH .*'no'"),
        ({}, ['slurm_test.sh', 'p', 'j', 'c.py', 'x.pth'], 'there is no srun here'),
        ({}, ['slurm_train.sh', 'partition', 'job'], 'usage'),
        ({}, ['slurm_test.sh', 'partition', 'job', 'config.py'], 'usage'),
    ],
)
def test_scripts__say_what_is_missing(environment, command, message):
    result = subprocess.run(
        ['bash', TOOLS / command[0], *command[1:]],  # a wheel keeps no executable files
        env={'PATH': '/usr/bin:/bin', **environment},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 2
    assert re.search(message, result.stderr)
    assert result.stderr.splitlines()[-1].startswith(('error: ', 'usage: '))


@pytest.mark.parametrize(
    'script, arguments, tail',
    [
        ('slurm_train.sh', ['p', 'j', 'c.py', '--amp'], 'train.py c.py --launcher slurm --amp'),
        (
            'slurm_test.sh',
            ['p', 'j', 'c.py', 'x.pth', '--out', 'm.json'],
            'test.py c.py x.pth --launcher slurm --out m.json',
        ),
    ],
)
def test_slurm__asks_for_the_given_gpus(tmp_path, script, arguments, tail):
    """With a stand-in for srun that prints what it was asked."""
    srun = tmp_path / 'srun'
    srun.write_text('#!/bin/sh\necho "$@"\n')
    srun.chmod(0o755)
    environment = {
        'PATH': f'{tmp_path}:/usr/bin:/bin',
        'GPUS': '16',
        'CPUS_PER_TASK': '3',
        'SRUN_ARGS': '--qos high --time 10',
        'PYTHON': 'python3',
        'SLURM_BATCH': '0',
    }
    printed = subprocess.run(
        ['bash', TOOLS / script, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert printed.startswith(
        '--partition=p --job-name=j --gres=gpu:8 --ntasks=16 --ntasks-per-node=8'
    )
    assert '--cpus-per-task=3' in printed and '--qos high --time 10' in printed
    assert printed.endswith(tail)


@pytest.fixture
def cluster(tmp_path):
    """Stand-ins for Slurm's commands, which write what they were asked to a file each."""
    # srun takes a moment to end after a signal, as a training does with its checkpoint.
    programs = {
        'sbatch': 'echo "$@" > sbatch.txt',
        'scontrol': 'echo "$@" >> scontrol.txt',
        'srun': """echo "$@" > srun.txt
trap 'sleep 0.3; exit ${CODE:-138}' USR1
trap 'sleep 0.3; exit 143' TERM
while [ ! -e go ]; do sleep 0.05; done; exit 7""",
    }
    folder = tmp_path / 'bin'
    folder.mkdir()
    for name, text in programs.items():
        (folder / name).write_text(f'#!/bin/bash\n{text}\n')
        (folder / name).chmod(0o755)
    return {'PATH': f'{folder}:/usr/bin:/bin', 'PYTHON': 'python3', 'GPUS': '2'}


def test_slurm_train__queues_a_job_that_is_told_in_time(tmp_path, cluster):
    command = ['bash', TOOLS / 'slurm_train.sh', 'p', 'j', 'c.py', '--amp']
    more = {'NOTICE_SECONDS': '300', 'SRUN_ARGS': '--time 10'}
    subprocess.run(command, env=cluster | more, cwd=tmp_path, check=True)
    asked = (tmp_path / 'sbatch.txt').read_text()
    for part in ('--partition=p --job-name=j --gres=gpu:2 --ntasks=2', '--signal=B:USR1@300',
                 '--requeue', '--open-mode=append', '--time 10'):  # fmt: skip
        assert part in asked
    assert asked.strip().endswith(
        f'{TOOLS}/slurm_job.sh {TOOLS} train.py c.py --launcher slurm --amp'
    )


@pytest.mark.parametrize('more', [{'SLURM_JOB_ID': '5'}, {'SLURM_BATCH': '0'}])
def test_slurm_train__runs_at_once_inside_an_allocation_or_if_told_so(tmp_path, cluster, more):
    (tmp_path / 'go').touch()
    command = ['bash', TOOLS / 'slurm_train.sh', 'p', 'j', 'c.py']
    code = subprocess.run(command, env=cluster | more, cwd=tmp_path).returncode
    assert code == 7 and not (tmp_path / 'sbatch.txt').exists()
    assert (tmp_path / 'srun.txt').read_text().strip().endswith('train.py c.py --launcher slurm')


def slurm_job(folder: Path, environment: dict[str, str], *arguments: str) -> subprocess.Popen:
    """The batch job, from a copy as Slurm makes one."""
    script = folder / 'slurm_script'
    script.write_text((TOOLS / 'slurm_job.sh').read_text())
    job = {'SLURM_JOB_ID': '42', 'SLURM_JOB_PARTITION': 'p', 'SLURM_JOB_NAME': 'j'}
    process = subprocess.Popen(
        ['bash', script, TOOLS, 'train.py', 'c.py', *arguments], cwd=folder,
        env=environment | job, text=True, stderr=subprocess.PIPE,
    )  # fmt: skip
    asked = folder / 'srun.txt'
    assert wait_until(lambda: asked.exists() and asked.read_text())
    time.sleep(0.1)
    return process


def test_slurm_job__goes_back_into_the_queue_after_its_signal(tmp_path, cluster):
    process = slurm_job(tmp_path, cluster, '--overwrite')
    asked = (tmp_path / 'srun.txt').read_text()
    assert '--cpus-per-task=5' in asked and asked.strip().endswith('train.py c.py --overwrite')
    process.send_signal(signal.SIGUSR1)
    assert process.wait(timeout=10) == 0
    assert (tmp_path / 'scontrol.txt').read_text() == 'requeue 42\n'


def test_slurm_job__resumes_when_it_starts_again(tmp_path, cluster):
    (tmp_path / 'go').touch()
    process = slurm_job(tmp_path, cluster | {'SLURM_RESTART_COUNT': '1'}, '--overwrite', '--amp')
    assert process.wait(timeout=10) == 7
    assert (tmp_path / 'srun.txt').read_text().strip().endswith('--overwrite --amp --resume')
    assert not (tmp_path / 'scontrol.txt').exists()


@pytest.mark.parametrize(
    ('number', 'srun_code', 'code'), [('SIGTERM', '138', 143), ('SIGUSR1', '1', 1)]
)
def test_slurm_job__that_is_cancelled_or_fails_is_not_queued_again(
    tmp_path, cluster, number, srun_code, code
):
    process = slurm_job(tmp_path, cluster | {'CODE': srun_code})
    process.send_signal(signal.Signals[number])
    assert process.wait(timeout=10) == code
    assert not (tmp_path / 'scontrol.txt').exists()
