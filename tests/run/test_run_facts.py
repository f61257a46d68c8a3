"""What a run states about itself in its checkpoints."""

import json

import pytest
from mmengine.optim import OptimWrapperDict

from mae_transfer.run.resume import ResumedOptionsHook
from mae_transfer.run.run_facts import gather_facts, parameter_names, scheduled_settings
from tests.support.changed_runs import config, run


@pytest.fixture
def facts(tmp_path, monkeypatch):
    """Facts of a run of epochs, as it states them, and its runner."""
    seen = {}

    def note(hook, runner):
        before(hook, runner)
        seen.update(facts=hook.facts, runner=runner)

    before = ResumedOptionsHook.before_train
    monkeypatch.setattr(ResumedOptionsHook, 'before_train', note)
    loop = dict(type='AccumulatingEpochTrainLoop', max_epochs=2)
    run(config(tmp_path / 'run', loop, {'train_dataloader.dataset.data_root': '.'}))
    return seen


def test_facts__of_a_small_run(facts):
    stated = facts['facts']
    assert json.loads(json.dumps(stated)) == stated
    assert (stated['counts'], stated['length'], stated['steps_per_epoch']) == ('epochs', 2, 8)
    assert stated['batch'] == dict(processes=1, images=2, accumulated=2, views=1)
    assert stated['config']['optim_wrapper']['optimizer']['lr'] == 0.01
    assert not {'work_dir', 'load_from', 'resume', 'launcher'} & set(stated['config'])
    data = stated['data']
    assert (data['samples'], data['classes']) == (32, ['a', 'b'])
    assert data['pictures'][0] == 'p0.png' and data['pictures'][-1] == 'p31.png'
    assert len(data['pictures']) == 16
    ends = [(one['type'], one['end'], one['by_epoch']) for one in stated['schedulers']]
    assert ends == [('LinearLR', 8, False), ('CosineAnnealingLR', 16, False)]
    assert scheduled_settings(stated) == {'lr'}


def test_facts__name_the_parameters_as_the_optimizer_numbers_them(facts):
    """The base settings that MMEngine adds to several groups have no parameters."""
    runner = facts['runner']
    named = {id(p): name for name, p in runner.model.named_parameters()}
    numbered = [p for g in runner.optim_wrapper.optimizer.param_groups for p in g['params']]
    assert parameter_names(facts['facts']) == [named[id(parameter)] for parameter in numbered]
    *_, base = facts['facts']['groups']
    assert base['names'] == [] and base['settings']['initial_lr'] == 0.01


def test_facts__of_several_optimizers_are_unknown(facts):
    runner = facts['runner']
    runner.optim_wrapper = OptimWrapperDict(one=runner.optim_wrapper)
    assert gather_facts(runner) is None
