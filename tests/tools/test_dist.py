"""dist_train.sh and dist_test.sh: two processes, two jobs at once, pre-training and both tasks."""

import json
import subprocess
import sys

import pytest
import torch

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
        ({'NNODES': '2'}, ['dist_train.sh', 'config.py', '2'], 'needs NODE_RANK'),
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
    assert message in result.stderr


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
