"""Random states in checkpoints: of all ranks, read safely, and named where they are missing."""

import logging

import pytest
import torch

from mae_transfer.compat.runner_load import load_from_local
from mae_transfer.hooks import random_state
from mae_transfer.random_states import random_states
from tests.support.noisy_line import noisy_config, run

STEPS = dict(type='IterBasedTrainLoop', max_iters=6)


@pytest.fixture
def stopped(tmp_path):
    """Config of a run with checkpoints of each step, and its losses."""
    cfg = noisy_config(tmp_path / 'run', STEPS, 'InfiniteSampler')
    return cfg, run(cfg)[1], tmp_path / 'run' / 'iter_3.pth'


def test_random_state__is_in_each_checkpoint_and_read_safely(stopped):
    _, _, file = stopped
    (states,) = load_from_local(str(file))['random_states']
    assert set(states) == {'python', 'numpy', 'torch'}
    torch.save(states, file.parent / 'states.pth')
    torch.load(file.parent / 'states.pth', weights_only=True)


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        (lambda states: None, 'holds no random states'),
        (lambda states: states * 2, 'of 2 processes, and this run has 1'),
        (lambda states: [dict(states[0], cuda=states[0]['torch'])], 'another kind of device'),
    ],
)
def test_random_state__that_cannot_be_restored_is_named(stopped, change, reason, monkeypatch):
    """One warning; what is drawn instead follows from the seed, whatever the process drew."""
    cfg, whole, file = stopped
    content = torch.load(file, weights_only=False)
    states = change(content.pop('random_states'))
    if states is not None:
        content['random_states'] = states
    torch.save(content, file)
    said: list[str] = []
    losses = []
    for seed in (7, 8):
        torch.manual_seed(seed)
        monkeypatch.setattr(
            logging.Logger, 'warning', lambda self, text, *_, **__: said.append(str(text))
        )
        losses.append(run(cfg, resume=file)[1])
    told = [text for text in said if 'RandomStateHook' in text]
    assert len(told) == 2 and reason in told[0] and 'drawn anew' in told[0]
    assert losses[0] == losses[1] and list(losses[0]) == [4, 5, 6]
    assert losses[0][4][:2] == whole[4][:2] and losses[0][4][2] != whole[4][2]


def test_random_state__of_all_ranks_is_gathered_before_one_rank_saves(monkeypatch, stopped):
    """The second of two ranks: what the first one saved for it."""
    hook = random_state.RandomStateHook()
    states = [random_states(), random_states()]
    monkeypatch.setattr(random_state, 'all_gather_object', lambda own: states)

    class Runner:
        train_loop = object()
        _resume = True

    hook.before_save_on_all_ranks(Runner())
    checkpoint: dict = {}
    hook.before_save_checkpoint(Runner(), checkpoint)
    assert checkpoint['random_states'] is states
    torch.rand(3)
    states[1] = random_states()
    expected = torch.rand(3)
    monkeypatch.setattr(random_state, 'get_world_size', lambda: 2)
    monkeypatch.setattr(random_state, 'get_rank', lambda: 1)
    hook.after_load_checkpoint(Runner(), checkpoint)
    hook.before_train(Runner())
    assert torch.equal(torch.rand(3), expected)
    later: dict = {}
    hook.before_save_checkpoint(Runner(), later)  # nothing was gathered for this one
    assert len(later['random_states']) == 1
