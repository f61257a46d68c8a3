"""Kept steps are run again: the same numbers, or at least the same failure."""

import json
from pathlib import Path

import pytest
import torch

from mae_transfer.run.replay import replay_lines, replay_step
from tests.support.spoilt_steps import build, spoilt_config


def kept_step(work_dir: Path, **spoil) -> Path:
    """Train with some steps spoilt; return the folder of the first that was skipped."""
    changes = spoil.pop('changes', {})
    cfg = spoilt_config(work_dir, **spoil)
    cfg.merge_from_dict(changes)
    build(cfg)[0].train()
    return min((work_dir / 'nonfinite').iterdir(), key=lambda path: int(path.name[5:]))


@pytest.mark.parametrize('wrapper', ['OptimWrapper', 'AutocastOptimWrapper'])
def test_replay__has_the_loss_of_the_step(wrapper, tmp_path):
    """Weights, batch, dropout and precision are those of the training.

    The gradient was not spoilt by the model, so that does not recur.
    """
    folder = kept_step(
        tmp_path / 'a', steps=[4], kind='gradient', counts=2,
        changes={'optim_wrapper.type': wrapper},
    )  # fmt: skip
    replay = replay_step(folder)
    assert replay.loss == float(json.loads((folder / 'incident.json').read_text())['loss'])
    assert not replay.reproduced and replay.norm > 0
    assert replay_lines(replay)[-1] == 'iteration 4: the failure did not recur'
    assert replay_lines(replay)[-2].endswith('all outputs and the gradient are finite')


def test_replay__reproduces_a_picture_that_is_not_finite(tmp_path):
    folder = kept_step(tmp_path / 'a', points=[5])
    replay = replay_step(folder)
    assert replay.reproduced
    lines = replay_lines(replay)
    assert any(line.startswith('norm ') and line.endswith('<- not finite') for line in lines)
    assert 'pictures       5.jpg' in lines
    assert lines[-1].endswith('the failure was reproduced')


def test_replay__takes_other_weights(tmp_path):
    """Those of the step were not finite; others may not fail."""
    folder = kept_step(tmp_path / 'a', steps=[5], kind='weights')
    good = json.loads((folder / 'incident.json').read_text())['last_good']
    for weights in (None, good, str(tmp_path / 'a')):
        replay = replay_step(folder, weights)
        assert replay.weights == (weights or good)
        assert not replay.reproduced
    (folder / 'incident.json').write_text(json.dumps(dict(last_good='gone.pth')))
    with pytest.raises(ValueError, match="and 'gone.pth', the last good checkpoint, is gone: give"):
        replay_step(folder)
    (folder / 'incident.json').write_text(json.dumps(dict(last_good=None)))
    with pytest.raises(ValueError, match='not finite: give some with --weights'):
        replay_step(folder)


def test_replay__refuses_weights_of_another_model(tmp_path):
    folder = kept_step(tmp_path / 'a', points=[5])
    torch.save(dict(state_dict={'other.weight': torch.zeros(2)}), tmp_path / 'other.pth')
    with pytest.raises(ValueError, match='1 left over .other.weight.: these weights do not fit'):
        replay_step(folder, str(tmp_path / 'other.pth'))


@pytest.mark.parametrize(
    ('spoil', 'code'), [(dict(points=[5]), 0), (dict(steps=[4], kind='gradient'), 1)]
)
def test_tool__tells_by_its_exit_code_whether_the_failure_recurred(spoil, code, tmp_path, run_main):
    folder = kept_step(tmp_path / 'a', **spoil)
    ended, out, _ = run_main('replay', folder)
    assert ended == code
    assert out.splitlines()[0].startswith('module ')


def test_tool__says_that_a_folder_is_no_kept_step(tmp_path, run_main):
    code, _, err = run_main('replay', tmp_path)
    assert code == 2
    assert err.startswith(f"error: '{tmp_path}' is not the folder of a kept step: it has no batch")
