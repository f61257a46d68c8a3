"""Two runs in one work dir: the second is refused, unless the first is dead."""

import json
import multiprocessing
import os
import threading
import time
from pathlib import Path

import pytest

from mae_transfer.processes.start_time import started_at
from mae_transfer.run import lock
from mae_transfer.run.lock import LOCK, WorkDirLock, is_alive

FORK = multiprocessing.get_context('fork')


def note(**changes: object) -> str:
    return json.dumps({**lock._note(), **changes}) + '\n'


def leave(folder: Path, **changes: object) -> Path:
    """What a run leaves that was killed."""
    path = folder / LOCK
    path.write_text(note(**changes))
    return path


def dead_process() -> int:
    process = FORK.Process(target=os.getpid)
    process.start()
    process.join()
    return process.pid


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, 'PATIENCE', 0.2)
    monkeypatch.setattr(lock, 'LOOK', 0.01)
    monkeypatch.setattr(lock, 'BEAT', 0.01)
    for name in ('SLURM_JOB_ID', 'SLURM_RESTART_COUNT'):
        monkeypatch.delenv(name, raising=False)


def test_lock__refuses_a_second_run_and_leaves_nothing(tmp_path):
    folder = tmp_path / 'runs' / 'a'
    with WorkDirLock(folder):
        held = json.loads((folder / LOCK).read_text())
        assert held['pid'] == os.getpid()
        with pytest.raises(ValueError, match=f'is in use by the run of process {os.getpid()} on '):
            WorkDirLock(folder).__enter__()
        assert json.loads((folder / LOCK).read_text()) == held
        with WorkDirLock(tmp_path / 'runs' / 'b'):
            pass
        assert not (tmp_path / 'runs' / 'b').exists()
        (folder / 'iter_1.pth').touch()
    assert [path.name for path in folder.iterdir()] == ['iter_1.pth']


def test_lock__is_released_by_a_run_that_fails(tmp_path):
    for _ in range(2):
        with pytest.raises(KeyError), WorkDirLock(tmp_path):
            raise KeyError


@pytest.mark.parametrize(
    'changes',
    [
        dict(pid=-1),
        dict(started=1.0),  # the number has gone to another process since
    ],
)
def test_lock__takes_over_from_a_dead_run_of_this_machine(tmp_path, capsys, changes):
    leave(tmp_path, **changes if changes != dict(pid=-1) else dict(pid=dead_process()))
    before = time.monotonic()
    with WorkDirLock(tmp_path):
        assert json.loads((tmp_path / LOCK).read_text())['started'] == started_at(os.getpid())
    assert time.monotonic() - before < lock.PATIENCE
    assert 'took over' in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_lock__looks_whether_another_machine_touches_it(tmp_path):
    path = leave(tmp_path, machine=['node7', 'boot', 'pid'], host='node7')
    ended = threading.Event()
    beat = threading.Thread(target=lock._beat, args=(path, path.read_text(), ended))
    beat.start()
    with pytest.raises(ValueError, match='in use by the run of process .* on node7, started at 20'):
        WorkDirLock(tmp_path).__enter__()
    ended.set()
    beat.join()
    with WorkDirLock(tmp_path):
        assert json.loads(path.read_text())['host'] != 'node7'


def test_lock__knows_the_own_job_that_was_started_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, 'PATIENCE', 60.0)
    elsewhere = dict(machine=['node7', 'boot', 'pid'], host='node7')
    path = leave(tmp_path, **elsewhere, job='12', start='0')
    monkeypatch.setenv('SLURM_JOB_ID', '12')
    monkeypatch.setenv('SLURM_RESTART_COUNT', '1')
    assert not is_alive(path, path.read_text())
    monkeypatch.setattr(lock, 'PATIENCE', 0.05)
    monkeypatch.setattr(lock, '_touched', lambda path: time.monotonic_ns())
    for job, start in (('13', '1'), ('12', '0')):  # another job; two steps of one job
        monkeypatch.setenv('SLURM_JOB_ID', job)
        monkeypatch.setenv('SLURM_RESTART_COUNT', start)
        assert is_alive(path, path.read_text())


@pytest.mark.parametrize('content', ['', '{"host": "no', '[]'])
def test_lock__one_that_is_cut_short_is_that_of_somebody(tmp_path, content):
    (tmp_path / LOCK).write_text(content)
    with WorkDirLock(tmp_path):
        assert 'pid' in json.loads((tmp_path / LOCK).read_text())


def test_lock__says_that_it_was_lost(tmp_path):
    with pytest.warns(UserWarning, match='run.lock was removed: another run may write'):
        held = WorkDirLock(tmp_path)
        held.__enter__()
        (tmp_path / LOCK).unlink()
        next(t for t in threading.enumerate() if t.name == 'lock').join(5)
    leave(tmp_path, pid=1)
    held.__exit__()
    assert (tmp_path / LOCK).exists()  # it belongs to the other run


def test_lock__a_third_run_was_faster(tmp_path):
    path = leave(tmp_path, pid=1)
    assert not lock._move_away(path, note(pid=2))
    assert json.loads(path.read_text())['pid'] == 1


def test_lock__other_ranks_follow_the_verdict_of_the_first(tmp_path, monkeypatch):
    monkeypatch.setenv('RANK', '1')
    with WorkDirLock(tmp_path / 'new'):
        assert not (tmp_path / 'new').exists()
    monkeypatch.setattr(lock, 'broadcast_object_list', lambda found: found.__setitem__(0, 'no'))
    with pytest.raises(ValueError, match='^no$'):
        WorkDirLock(tmp_path).__enter__()
