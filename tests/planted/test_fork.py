"""What counts as a failure of a test, and what only looks like one."""

from types import SimpleNamespace

import pytest

from tests.planted.fork import Outcome, Recorder


def report(when: str, outcome: str, message: str = '') -> SimpleNamespace:
    """What the recorder reads of pytest's reports."""
    return SimpleNamespace(
        nodeid='test_it',
        when=when,
        failed=outcome == 'failed',
        passed=outcome == 'passed',
        skipped=outcome == 'skipped',
        longrepr=SimpleNamespace(reprcrash=SimpleNamespace(message=message)) if message else None,
    )


@pytest.mark.parametrize(
    ('one', 'expected'),
    [
        (report('call', 'passed'), Outcome(passed=['test_it'])),
        (report('call', 'failed', 'assert 1 == 2'), Outcome(failed=['test_it'])),
        (report('call', 'failed', 'ValueError: a shape'), Outcome(failed=['test_it'])),
        (report('call', 'skipped'), Outcome()),
        (report('setup', 'passed'), Outcome()),
        (
            report('setup', 'failed', 'ValueError: a shape'),
            Outcome(broken=['the setup of test_it raised ValueError: a shape']),
        ),
        (
            report('call', 'failed', "NameError: name 'x'"),
            Outcome(broken=["the call of test_it raised NameError: name 'x'"]),
        ),
    ],
)
def test_recorder__tells_a_failure_from_code_that_does_not_run(one, expected):
    recorder = Recorder()
    recorder.pytest_runtest_logreport(one)
    assert recorder.outcome == expected


def test_recorder__a_file_that_cannot_be_read_is_no_failure():
    recorder = Recorder()
    recorder.pytest_collectreport(
        SimpleNamespace(nodeid='a.py', failed=True, longreprtext='...\nE   ImportError: no b\n')
    )
    assert recorder.outcome.broken == ['a.py could not be read: E   ImportError: no b']
    assert recorder.outcome.failed == []
