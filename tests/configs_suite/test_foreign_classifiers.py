"""Classifiers of MAE's and CAE's code, given to our classifiers as they are."""

import json
from functools import partial
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from torch.testing import assert_close

from mae_transfer.checkpoints.export.export import export_checkpoint
from mae_transfer.hooks.load_account import FILE_NAME, LoadAccountHook
from mae_transfer.run import test as run_test
from mae_transfer.run import train
from mae_transfer.run.weights import set_whole_checkpoint
from tests.configs_suite.reading import load
from tests.configs_suite.tables.classification import (
    CAE_ATTENTIVE,
    CAE_BASE,
    CAE_LINEAR,
    CLASSIFY,
    LINEAR,
)
from tests.configs_suite.tiny_models import build_model, prepare_run, shrink
from tests.references import checkpoint_files as sources
from tests.support.scores import Scores
from tests.support.weights import randomize

# Recipe -> a file of its protocol, from the tensors of its encoder
TABLES = torch.zeros(9 + 3, 2)  # of zeros, as CAE's attentive probe saves them: 2 x 2 patches
FILES = {
    CLASSIFY: partial(sources.fair_fine_tuned, classes=5),
    LINEAR: sources.linear_probed,
    CAE_BASE: sources.cae_fine_tuned,
    CAE_LINEAR: sources.linear_probed,
    CAE_ATTENTIVE: partial(sources.cae_attentive, table=TABLES),
}


def small(recipe: str, data_of, work_dir: Path, classes: int = 5) -> Config:
    """A recipe, narrow, for pictures of a few pixels."""
    cfg = load(recipe)
    cfg = prepare_run(shrink(cfg), data_of(cfg), work_dir)
    cfg.model.head.num_classes = cfg.model.data_preprocessor.num_classes = classes
    cfg.test_evaluator = dict(type=Scores)
    return cfg


def save(recipe: str, cfg: Config, path: Path) -> Path:
    """A file of MAE's or CAE's code with random weights that fits the config."""
    torch.manual_seed(0)
    torch.save(FILES[recipe](randomize(build_model(cfg)).backbone.state_dict()), path)
    return path


def logged(work_dir: Path) -> str:
    """What the only run in a work dir wrote into its log."""
    (log,) = work_dir.rglob('*.log')
    return log.read_text()


@pytest.mark.slow
@pytest.mark.parametrize('recipe', FILES)
def test_run_test__evaluates_a_file_as_its_exports(recipe, data_of, tmp_path):
    cfg = small(recipe, data_of, tmp_path / 'run')
    path = save(recipe, cfg, tmp_path / 'theirs.pth')
    scores = []
    for form in (None, 'pth', 'safetensors'):
        file = export_checkpoint(path, 'mae_transfer', file_format=form).path if form else path
        out, work_dir = tmp_path / f'{form}.json', tmp_path / f'test-{form}'
        run_test(cfg, file, work_dir=work_dir, out=out)
        scores.append(json.loads(out.read_text())['raw'])
        (account,) = work_dir.rglob(FILE_NAME)
        account = json.loads(account.read_text())['model']
        assert account['checkpoint'] == str(file)
        assert not (account['missing'] or account['misshapen'] or account['left_over'])
        assert logged(work_dir).count('translated to the names') == (form is None)
    assert len(scores[0]) == 2 * 5 and len(set(scores[0].values())) == 10
    assert scores[0] == scores[1] == scores[2]


def test_plain_runner__loads_a_file_in_one_line(data_of, tmp_path):
    """Every tensor of the model, and what the model has no place for is listed."""
    cfg = small(CAE_ATTENTIVE, data_of, tmp_path / 'run')
    path = save(CAE_ATTENTIVE, cfg, tmp_path / 'theirs.pth')
    runner = Runner.from_cfg(cfg)
    runner.load_checkpoint(str(path))
    theirs, ours = torch.load(path, weights_only=False)['model'], runner.model.state_dict()
    for name, tensor in {
        'backbone.blocks.11.ls2.gamma': theirs['blocks.11.gamma_2'],
        'backbone.norm.bias': theirs['norm.bias'],
        'neck.0.query_token': theirs['query_token'],
        'neck.1.bn.running_var': theirs['fc_norm.running_var'],
        'head.fc.weight': theirs['head.weight'],
    }.items():
        assert_close(ours[name], tensor, rtol=0, atol=0)
    (line,) = [line for line in logged(tmp_path / 'run').split('\n') if 'translated' in line]
    for words in (
        'is a CAE attentive probe file, translated to the names of this toolkit',
        f'{len(runner.model.backbone.state_dict())} tensors of the encoder',
        'relative positions: 12 tables of zeros dropped: exact',
        'classifier: 19 tensors after the encoder, as neck and head',
        'left out: computed index 12, attentive probe 2',
    ):
        assert words in line


def refused(runner: Runner, path: Path) -> str:
    """The message of a file that does not fit, all of which has to."""
    before = {name: tensor.clone() for name, tensor in runner.model.state_dict().items()}
    with pytest.raises(ValueError) as caught:
        runner.load_checkpoint(str(path))
    assert_close(dict(runner.model.state_dict()), before, rtol=0, atol=0)
    return str(caught.value)


def evaluating(cfg: Config, path: Path) -> Runner:
    """A runner that accounts for the whole file, as tools/test.py does."""
    set_whole_checkpoint(cfg, str(path))
    return Runner.from_cfg(cfg)


@pytest.mark.parametrize(
    ('given', 'recipe', 'words'),
    [
        (CAE_ATTENTIVE, CAE_LINEAR, ['17 left over (neck.0.query_token', 'missing (neck.bn.']),
        (CAE_LINEAR, CAE_ATTENTIVE, ['missing (neck.0.query_token', 'left over (neck.bn.']),
        (CLASSIFY, LINEAR, ['missing (backbone.norm.', 'left over (backbone.fc_norm.']),
        (CAE_BASE, CLASSIFY, ['backbone.blocks.0.ls1.gamma', 'backbone.blocks.0.attn.q_bias']),
    ],
)
def test_wrong_protocol__is_refused(given, recipe, words, data_of, tmp_path):
    path = save(given, small(given, data_of, tmp_path / 'other'), tmp_path / 'x.pth')
    message = refused(evaluating(small(recipe, data_of, tmp_path / 'run'), path), path)
    assert message.startswith(f'{path} does not fit the model of the config: ')
    for word in words:
        assert word in message


def test_other_classes__are_refused_in_evaluation_and_start_fresh_in_training(data_of, tmp_path):
    path = save(LINEAR, small(LINEAR, data_of, tmp_path / 'other'), tmp_path / 'x.pth')
    runner = evaluating(small(LINEAR, data_of, tmp_path / 'run', classes=7), path)
    assert 'head.fc.weight (5, 32) instead of (7, 32)' in refused(runner, path)
    runner = Runner.from_cfg(small(LINEAR, data_of, tmp_path / 'training', classes=7))
    before = runner.model.head.fc.weight.clone()
    runner.load_checkpoint(str(path))
    assert_close(runner.model.head.fc.weight, before, rtol=0, atol=0)
    theirs = torch.load(path)['model']
    assert_close(runner.model.neck.bn.running_mean, theirs['head.0.running_mean'])
    assert_close(runner.model.backbone.cls_token, theirs['cls_token'])


@pytest.mark.parametrize('heads', [12, 6])
def test_heads_of_the_released_code__have_to_be_those_of_the_config(heads, data_of, tmp_path):
    """CAE's ViT-S has 12 heads, MAE's 6; the tensors are the same."""
    cfg = small(CAE_LINEAR, data_of, tmp_path / 'run')
    cfg.model.backbone.arch = dict(embed_dims=384, num_layers=1, num_heads=heads)
    cfg.model.neck.input_features = cfg.model.head.in_channels = 384
    path = save(CAE_LINEAR, cfg, tmp_path / 'x.pth')
    runner = evaluating(cfg, path)
    if heads == 12:
        runner.load_checkpoint(str(path))
        return
    with pytest.raises(ValueError, match='attention heads 12 in the file .*CAE fine-tuned.*, 6 in'):
        runner.load_checkpoint(str(path))


def test_broken_numbers__are_refused(data_of, tmp_path):
    cfg = small(LINEAR, data_of, tmp_path / 'run')
    path = save(LINEAR, cfg, tmp_path / 'x.pth')
    content = torch.load(path)
    content['model']['head.0.running_mean'][0] = torch.nan
    torch.save(content, path)
    sentence = refused(evaluating(cfg, path), path)
    assert 'x.pth is refused: numbers are not finite in model.head.0.running_mean' in sentence


def test_resume__from_a_file_of_another_project_is_refused(data_of, tmp_path):
    cfg = small(LINEAR, data_of, tmp_path / 'run')
    cfg.load_from = str(save(LINEAR, cfg, tmp_path / 'x.pth'))
    cfg.resume = True
    with pytest.raises(ValueError, match='x.pth cannot be resumed: it has no state of a run'):
        Runner.from_cfg(cfg).load_or_resume()


@pytest.mark.slow
def test_train__load_from_starts_the_whole_classifier(data_of, tmp_path, capsys):
    """The frozen encoder and the statistics are the file's; the recipe's own file is not needed."""
    cfg = small(LINEAR, data_of, tmp_path / 'run')
    path = save(LINEAR, cfg, tmp_path / 'x.pth')
    cfg.model.backbone.init_cfg = dict(type='PretrainedViT', checkpoint='absent.pth')
    cfg.optim_wrapper.optimizer.lr = 0.0
    train(cfg, work_dir=tmp_path / 'run', epochs=1, cfg_options=dict(load_from=str(path)))
    assert 'absent.pth is not read' in capsys.readouterr().out
    state = torch.load(tmp_path / 'run/epoch_1.pth', weights_only=False)['state_dict']
    theirs = torch.load(path)['model']
    assert_close(state['head.fc.weight'], theirs['head.1.weight'], rtol=0, atol=0)
    assert_close(state['backbone.norm.bias'], theirs['norm.bias'], rtol=0, atol=0)
    assert state['neck.bn.num_batches_tracked'] == theirs['head.0.num_batches_tracked'] + 1


@pytest.mark.parametrize(
    ('recipe', 'classes', 'options', 'told'),
    [
        *[(recipe, 5, {}, True) for recipe in FILES],
        (LINEAR, 7, {}, False),
        (CLASSIFY, 5, dict(img_size=64), False),  # load_from resizes no positions
    ],
)
def test_pretrained__tells_of_a_head_that_fits(recipe, classes, options, told, data_of, tmp_path):
    """It takes the encoder alone; the line says how to get the rest."""
    path = save(recipe, small(recipe, data_of, tmp_path / 'other'), tmp_path / 'x.pth')
    cfg = small(recipe, data_of, tmp_path / 'run', classes)
    init_cfg = dict(type='PretrainedViT', checkpoint=str(path))
    cfg.model.backbone.update(options, init_cfg=init_cfg)
    runner = Runner.from_cfg(cfg)
    runner.model.init_weights()
    theirs = torch.load(path, weights_only=False)['model']
    head = theirs['head.weight' if 'head.weight' in theirs else 'head.1.weight']
    assert not torch.equal(runner.model.head.fc.weight[:5], head)
    LoadAccountHook().before_train(runner)
    line = f'load_from={path}, and to evaluate it, tools/test.py CONFIG {path}'
    assert (line in logged(tmp_path / 'run')) == told
