"""The steps of a plan: their order, their commands, going on, failing."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from mae_transfer.demo import steps
from mae_transfer.demo.plans import Plan, Start
from mae_transfer.demo.steps import StepRunner

METRICS = dict(box_AP=1.5, mask_AP=None, mIoU=2.5)


@pytest.fixture
def commands(monkeypatch) -> list[list[str]]:
    """Let steps leave what the tools would leave; the commands are noted."""
    noted = []

    def call(runner, command, log, bar):
        noted.append(command)
        tool, folder = command[0], Path(command[command.index('--work-dir') + 1])
        if tool == 'train.py':
            torch.save({'a': torch.ones(1)}, folder / 'iter_2.pth')
            (folder / 'last_checkpoint').write_text(str(folder / 'iter_2.pth'))
        else:
            out = Path(command[command.index('--out') + 1])
            out.write_text(json.dumps(dict(metrics=METRICS)))
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(StepRunner, '_call', call)
    return noted


@pytest.fixture
def plan(tmp_path) -> Plan:
    for task in ('detection', 'segmentation'):
        (tmp_path / f'{task}.py').write_text('train_cfg = dict(max_iters=2)')
    tasks = {'detection': f'{tmp_path}/detection.py'}
    starts = {
        'random': Start(tasks),
        'MAE': Start(tasks, 'mae.py'),
        'CAE': Start({'segmentation': f'{tmp_path}/segmentation.py'}, 'cae.py', 'cae', 'dvae.py'),
    }
    return Plan(tmp_path / 'run', starts, seeds=[3], jobs=1, pictures=5)


def test_steps__their_commands(plan, commands):
    StepRunner(plan).run()
    root, seeded = f'{plan.root}/seed-3', ['--cfg-options', 'randomness.seed=3']
    detection, segmentation = (
        plan.starts[init].task_configs[task]
        for init, task in (('MAE', 'detection'), ('CAE', 'segmentation'))
    )

    def train(config, folder, *weights):
        return ['train.py', config, '--work-dir', f'{root}/{folder}', '--resume', *weights, *seeded]

    def evaluate(config, folder, *pictures):
        return [
            *('test.py', config, f'{root}/{folder}/iter_2.pth'),
            *('--work-dir', f'{root}/{folder}/test', '--out', f'{root}/{folder}/metrics.json'),
            *pictures,
        ]

    def shown(folder):
        return ['--show-dir', f'{root}/{folder}/predictions', '--show-num', '5']

    assert commands == [
        train('mae.py', 'pretrain'),
        train('dvae.py', 'tokenizer'),
        evaluate('dvae.py', 'tokenizer'),
        [*train('cae.py', 'cae'), f'model.target_generator.checkpoint={root}/tokenizer'],
        [*train(detection, 'detection-random'), 'model.backbone.init_cfg=None'],
        evaluate(detection, 'detection-random', *shown('detection-random')),
        train(detection, 'detection-mae', '--pretrained', f'{root}/pretrain'),
        evaluate(detection, 'detection-mae', *shown('detection-mae')),
        train(segmentation, 'segmentation-cae', '--pretrained', f'{root}/cae'),
        evaluate(segmentation, 'segmentation-cae', *shown('segmentation-cae')),
    ]


def test_steps__records_by_start_task_and_seed(plan, commands):
    records = StepRunner(plan).run()
    assert [(r['init'], r['task'], r['seed']) for r in records] == [
        ('CAE', 'segmentation', 3),
        ('MAE', 'detection', 3),
        ('random', 'detection', 3),
    ]
    assert records[0]['mIoU'] == 2.5 and 'box_AP' not in records[0]
    assert records[1]['box_AP'] == 1.5 and records[1]['mask_AP'] is None
    assert records[1]['config'] == plan.starts['MAE'].task_configs['detection']
    assert records[1]['iterations'] == 2 and records[1]['seconds'] >= 0
    assert records[1]['checkpoint'] == str(plan.root / 'seed-3/detection-mae/iter_2.pth')


def test_steps__a_second_call_runs_what_is_left(plan, commands, capsys):
    records = StepRunner(plan).run()
    (plan.root / 'seed-3/detection-mae/evaluation/done.json').unlink()
    commands.clear()
    capsys.readouterr()
    assert StepRunner(plan).run() == records
    assert [command[0] for command in commands] == ['test.py']
    assert capsys.readouterr().out.count('done already') == 9


def test_steps__go_on_in_work_dirs_that_do_not_say_random_weights(plan, commands):
    StepRunner(plan).run()
    begun = plan.root / 'seed-3/detection-random/train/command.json'
    begun.write_text(json.dumps(json.loads(begun.read_text())[:-1]))
    commands.clear()
    StepRunner(plan).run()
    assert not commands


def test_steps__refuse_the_work_dir_of_another_comparison(plan, commands):
    StepRunner(plan).run()
    starts = {'MAE': Start(plan.starts['MAE'].task_configs, 'other.py')}
    other = Plan(plan.root, starts, seeds=[3], jobs=1)
    with pytest.raises(ValueError, match=r'pretrain/train contains a step of another comparison'):
        StepRunner(other).run()


@pytest.fixture
def runner(tmp_path, monkeypatch) -> StepRunner:
    """A runner whose train.py is a script of the test, in tmp_path."""
    monkeypatch.setattr(steps, 'TOOLS', tmp_path)
    plan = Plan(tmp_path / 'run', {'MAE': Start({}, 'mae.py')}, seeds=[0], jobs=1)
    return StepRunner(plan)


def test_steps__a_failing_step_shows_the_end_of_its_output(runner, tmp_path):
    (tmp_path / 'train.py').write_text("print(*range(50), sep='\\n'); raise SystemExit('no data')")
    with pytest.raises(RuntimeError, match=r'(?s)MAE, seed 0 failed \(exit code 1\).*no data') as e:
        runner.pretrain('MAE', 0)
    assert '\n49\n' in str(e.value) and '\n10\n' not in str(e.value)
    log = tmp_path / 'run/seed-0/pretrain/train/output.log'
    assert log.read_text().count('\n') == 51 and str(log) in str(e.value)
    assert not list(tmp_path.rglob('done.json'))


def test_steps__output_moves_the_bar(runner, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(runner.progress, 'update', lambda bar, **state: seen.append(state))
    (tmp_path / 'train.py').write_text("print('x - Iter(train) [ 20/600]  lr: 1e-4'); print('-')")
    runner.pretrain('MAE', 0)
    assert seen == [dict(completed=20, total=600)]
    assert list(tmp_path.rglob('done.json'))


def test_steps__random_weights_have_no_pretraining(plan):
    with pytest.raises(ValueError, match="init='random' starts from random weights"):
        StepRunner(plan).pretrain('random', 3)


@pytest.mark.parametrize(
    'wrong, words',
    [
        (dict(seeds=[]), 'seeds='),
        (dict(seeds=[1, 1]), 'seeds=.*distinct'),
        (dict(seeds=[-1]), 'seeds=.*below 0'),
        (dict(seeds=[0], jobs=0), 'jobs=0'),
    ],
)
def test_plan__rejects(tmp_path, wrong, words):
    with pytest.raises(ValueError, match=words):
        Plan(tmp_path, {}, **wrong)
