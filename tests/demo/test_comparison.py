"""The whole comparison: pre-training, transfer to both tasks, evaluation, table and picture."""

import contextlib
import io
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import pytest
import torch

from mae_transfer.demo import comparison
from mae_transfer.demo.first_look import draw_first_look
from mae_transfer.demo.plans import METHODS, Method, Plan, Start
from mae_transfer.demo.results import read_results, write_results
from mae_transfer.demo.steps import StepRunner
from mae_transfer.run.places import ROOT
from tests.demo.test_results import record
from tests.support.tools import load_tool


@pytest.fixture
def in_this_process(monkeypatch):
    """Run the tools of the steps here: importing the frameworks takes longer than the work.

    That goes with one step at a time only. A run sets globals of MMEngine, such as the default
    scope, so the demo itself, which runs several, needs a process for each.
    """

    def call(runner, command, log, bar):
        monkeypatch.setattr(sys, 'argv', command)
        output = io.StringIO()  # stays open: MMEngine's loggers keep it
        with contextlib.redirect_stdout(output):
            load_tool(command[0].removesuffix('.py')).main()
        log.write_text(output.getvalue())
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(StepRunner, '_call', call)


@pytest.mark.slow
@pytest.mark.filterwarnings('ignore:this run is not in the main thread')
def test_comparison__pretrain_transfer_evaluate_draw(tmp_path, starts, in_this_process):
    plan = Plan(tmp_path / 'run', starts, seeds=[3], jobs=1, pictures=1)
    records = StepRunner(plan).run()

    assert [(r['task'], r['init'], r['seed'], r['iterations']) for r in records] == [
        ('detection', 'MAE', 3, 2),
        ('segmentation', 'MAE', 3, 2),
        ('detection', 'random', 3, 2),
        ('segmentation', 'tokens', 3, 2),
    ]
    assert {'box_AP', 'mask_AP'} <= records[0].keys() and 'mIoU' in records[1]
    write_results(tmp_path / 'results.json', records)
    assert read_results(tmp_path / 'results.json') == records

    seed = plan.root / 'seed-3'
    assert (seed / 'pretrain/reconstructions/iter_2.png').is_file()
    judged = json.loads((seed / 'tokenizer/metrics.json').read_text())['metrics']
    assert judged['mean_picture_MSE'] > 0 and 0 < judged['codes_used'] <= 100
    told = (seed / 'pretrain-tokens/train/output.log').read_text()
    assert re.search(r'PretrainedTokenizer: checkpoint .*tokenizer/iter_2\.pth: (\d+)/\1 ', told)
    names = torch.load(seed / 'pretrain-tokens/iter_2.pth', weights_only=False)['state_dict']
    assert [name for name in names if name.startswith('target_generator')] == [
        'target_generator.fingerprint'
    ]
    for task in ('detection', 'segmentation'):
        (drawn,) = (seed / f'{task}-mae/predictions').glob('*.png')
        assert cv2.imread(str(drawn)).shape == (384, 768, 3)  # ground truth and prediction
        told = (seed / f'{task}-mae/train/output.log').read_text()
        account = re.search(r'PretrainedViT: .*?(\d+)/(\d+) encoder tensors', told)
        assert account and account[1] == account[2] != '0'
    assert 'encoder tensors' not in (seed / 'detection-random/train/output.log').read_text()
    pretrained = torch.load(seed / 'pretrain/iter_2.pth', weights_only=False)['state_dict']
    name = 'backbone.blocks.0.attn.qkv.weight'
    moved = {}
    for init in ('mae', 'random'):
        state = torch.load(seed / f'detection-{init}/iter_2.pth', weights_only=False)['state_dict']
        moved[init] = (state[name] - pretrained[name]).abs().max()
    assert moved['mae'] < 1e-2 < moved['random']

    draw_first_look(plan, tmp_path / 'first-look.png', records)
    assert cv2.imread(str(tmp_path / 'first-look.png')).shape[1] == 1200


@pytest.fixture
def method(monkeypatch, tmp_path) -> Method:
    """CAE's method, without its runs: two records stand for them, a file for the picture."""
    made = [record('detection', init, 0, box_AP=3.0) for init in ('random', 'CAE')]
    monkeypatch.setattr(comparison, 'default_root', lambda: tmp_path)
    monkeypatch.setattr(
        comparison, 'make_scenes', lambda root: root.mkdir(parents=True, exist_ok=True)
    )
    monkeypatch.setattr(comparison.StepRunner, 'run', lambda self: list(made))
    monkeypatch.setattr(comparison, 'draw_first_look', lambda plan, path, records: path.touch())
    tokenizer = tmp_path / 'seed-0' / 'tokenizer'
    tokenizer.mkdir(parents=True)
    metrics = dict(reconstruction_MSE=821.4, mean_picture_MSE=3774.0, codes_used=100.0)
    (tokenizer / 'metrics.json').write_text(json.dumps(dict(metrics=metrics)))
    return METHODS['cae']


def test_compare__the_row_of_mae_joins_that_of_cae(method, tmp_path, capsys):
    comparison.compare('cae', work_dir=tmp_path)
    assert '--method mae` adds a row' in capsys.readouterr().out
    earlier = [record('detection', init, seed, box_AP=5.0) for init in ('random', 'MAE')
               for seed in (0, 1)]  # fmt: skip
    write_results(tmp_path / 'results.json', earlier)
    records = comparison.compare('cae', work_dir=tmp_path)
    assert [(r['init'], r['seed'], r['box_AP']) for r in records] == [
        ('CAE', 0, 3.0), ('MAE', 0, 5.0), ('random', 0, 3.0)
    ]  # fmt: skip
    assert read_results(tmp_path / 'results-cae.json') == records
    assert read_results(tmp_path / 'results.json') == earlier
    printed = capsys.readouterr().out
    assert 'squared error 821, of the mean picture 3774; 100 % of the codes' in printed
    assert 'adds a row' not in printed and str(tmp_path / method.first_look) in printed


def test_compare__default_places(method, tmp_path):
    comparison.compare('mae-long', seeds=[0, 1])
    assert {path.name for path in (tmp_path / 'work_dirs/study').iterdir()} == {
        'results.json',
        'first-look.png',
    }
    assert (tmp_path / 'data/demo-scenes').is_dir()


def test_compare__unknown_method():
    with pytest.raises(ValueError, match="method='dino': choose from mae, mae-long, cae"):
        comparison.compare('dino')


def test_methods__their_configs_exist():
    starts: list[Start] = [start for m in METHODS.values() for start in m.starts.values()]
    configs = {config for start in starts for config in start.task_configs.values()}
    configs |= {start.pretrain_config for start in starts if start.pretrain_config}
    configs |= {start.tokenizer_config for start in starts if start.tokenizer_config}
    assert configs == {str(path.relative_to(ROOT)) for path in Path(ROOT).glob('configs/demo/*.py')}


@pytest.mark.parametrize(
    ('method', 'pretrained', 'iterations'),
    [('mae', 'MAE', 2000), ('mae-long', 'MAE', 3600), ('cae', 'CAE', 2000)],
)
def test_methods__random_weights_have_no_pre_training(method, pretrained, iterations):
    starts = METHODS[method].starts
    assert set(starts) == {'random', pretrained}
    assert starts['random'].pretrain_config is None
    config = starts[pretrained].pretrain_config
    assert f'/{pretrained.lower()}_vit-demo-p8' in config and f'-{iterations}i_' in config
    assert set(starts['random'].task_configs) == set(starts[pretrained].task_configs)
    for start, name in (('random', 'mae'), (pretrained, pretrained.lower())):
        assert all(f'_{name}-pre_' in path for path in starts[start].task_configs.values())
