"""Spoilt and hostile checkpoints at every door: taken or refused in one sentence, nothing run.

The benchmark `benchmarks/reliability/checkpoints.py` has all of them.
"""

import pytest

from tests.support.spoilt_checkpoints import SPOILT, good_checkpoint, try_door

# File -> doors that refuse it; the others take it.
EVERYWHERE = ('--resume', 'load_from', '--pretrained', 'test', 'inspect', 'export')
CASES = {
    'bit flipped in a tensor': EVERYWHERE,
    'part overwritten by zeros': EVERYWHERE,
    'hostile data.pkl': EVERYWHERE,
    'nested too deep': EVERYWHERE,
    'NaN in a moment': ('--resume',),
    'iteration as text': ('--resume',),
    'scheduler with a method': ('--resume',),
    'config text in meta.config': (),
    'config text everywhere': ('test',),
    'attributes hide methods': (),
    'functions in a history': (),
    'paths: best': (),
    'paths: kept': (),
}


@pytest.fixture(scope='module')
def good(tmp_path_factory):
    return good_checkpoint(tmp_path_factory.mktemp('good'))


@pytest.mark.slow
@pytest.mark.parametrize('door', ['--resume', 'test', 'inspect'])
@pytest.mark.parametrize('case', CASES)
def test_spoilt_run(tmp_path, good, case, door):
    outcome = try_door(door, SPOILT[case], good, tmp_path / 'try')
    assert not outcome.bad
    assert (outcome.sentence is not None) == (door in CASES[case]), outcome.sentence


@pytest.mark.slow
@pytest.mark.parametrize('door', EVERYWHERE)
def test_spoilt_run__the_good_one_it_is_made_of(tmp_path, good, door):
    outcome = try_door(door, lambda path, victim: None, good, tmp_path / 'try')
    assert (outcome.sentence, outcome.bad) == (None, '')
