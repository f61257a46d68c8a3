"""A used work dir: refused, or cleared of what runs wrote and of nothing else."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from mae_transfer.run.work_dir import ReplaceRunHook, check_work_dir, read_length, write_length

FOREIGN = {'notes.txt', 'pretrained.pth', 'iter_5.pth.txt', 'best_friend.pth', 'own.py'}
FOLDERS = {'pictures', '20260101', 'reconstructions', 'nonfinite'}
FOREIGN |= FOLDERS


@pytest.fixture
def used(tmp_path: Path) -> Path:
    """What a run leaves, among files of its user."""
    for name in ('iter_3.pth', 'epoch_12.pth', 'best_mIoU_iter_3.pth', 'last_checkpoint'):
        (tmp_path / name).touch()
    (tmp_path / '20260101_120000' / 'vis_data').mkdir(parents=True)
    (tmp_path / '20260101_120000' / 'vis_data' / 'scalars.json').write_text('{"loss": 1.0}')
    for name in ('recipe.py', '20260101_120000/vis_data/config.py'):
        (tmp_path / name).write_text('lr = 1')
    for name in [*FOLDERS, 'nonfinite/iter_2', 'nonfinite/mine']:
        (tmp_path / name).mkdir()
    for name in ('reconstructions/iter_3.png', 'reconstructions/mine.png'):
        (tmp_path / name).touch()
    (tmp_path / 'nonfinite' / 'iter_2' / 'incident.json').touch()
    for name in FOREIGN - FOLDERS:
        (tmp_path / name).touch()
    return tmp_path


def test_check_work_dir__refuses_a_used_one(used):
    before = sorted(used.iterdir())
    with pytest.raises(ValueError, match='best_mIoU_iter_3.pth.*--resume.*--overwrite'):
        check_work_dir(str(used), resume=False, overwrite=False)
    check_work_dir(str(used), resume=True, overwrite=False)
    assert sorted(used.iterdir()) == before


def first_step(replacing: ReplaceRunHook) -> None:
    replacing.after_train_iter(SimpleNamespace(timestamp='20260102_120000'), batch_idx=0)


def test_replace_run__removes_what_runs_wrote_alone_after_the_first_step(used, capsys):
    check_work_dir(str(used), resume=False, overwrite=True)
    before = set(used.rglob('*'))
    with ReplaceRunHook(str(used), overwrite=True) as replacing:
        (used / '20260102_120000').mkdir()  # of the new run, as its config
        os.utime(used / 'recipe.py', (1, 1))
        assert before < set(used.rglob('*'))
        first_step(replacing)
        (used / 'iter_1.pth').touch()
        first_step(replacing)
    new = {'20260102_120000', 'recipe.py', 'iter_1.pth'}
    assert {path.name for path in used.iterdir()} == FOREIGN | new
    assert [path.name for path in (used / 'reconstructions').iterdir()] == ['mine.png']
    assert [path.name for path in (used / 'nonfinite').iterdir()] == ['mine']
    assert '--overwrite: removed 20260101_120000, best_mIoU_iter_3.pth' in capsys.readouterr().out


def test_replace_run__costs_nothing_if_the_new_run_fails_before_its_first_step(used):
    before = {path: path.read_bytes() for path in used.rglob('*') if path.is_file()}
    with pytest.raises(KeyError), ReplaceRunHook(str(used), overwrite=True):
        (used / 'recipe.py').write_text('lr = 2')
        (used / 'another.py').write_text('lr = 2')
        raise KeyError('a type that nobody registered')
    assert {path: path.read_bytes() for path in used.rglob('*') if path.is_file()} == before
    with ReplaceRunHook(str(used), overwrite=False) as replacing:
        first_step(replacing)
    assert {path: path.read_bytes() for path in used.rglob('*') if path.is_file()} == before


def test_check_work_dir__keeps_what_the_run_starts_from(used):
    for start in (used, used / 'iter_3.pth'):
        with pytest.raises(ValueError, match='--overwrite would remove .* from which this run'):
            check_work_dir(str(used), resume=False, overwrite=True, start=str(start))
    check_work_dir(str(used / 'new'), resume=False, overwrite=True, start=str(used))
    check_work_dir(str(used), resume=False, overwrite=True, start=str(used / 'pretrained.pth'))
    (used / 'folder.py').mkdir()  # no config
    (used / 'gone.py').symlink_to(used / 'nowhere.py')
    check_work_dir(str(used), resume=False, overwrite=True)
    with pytest.raises(NotADirectoryError, match='notes.txt.* is a file'):
        check_work_dir(str(used / 'notes.txt'), resume=False, overwrite=False)


def test_check_work_dir__refuses_both(tmp_path):
    with pytest.raises(ValueError, match='contradict'):
        check_work_dir(str(tmp_path), resume=True, overwrite=True)


def test_length__is_noted_in_the_work_dir(tmp_path):
    assert read_length(str(tmp_path)) is None
    write_length(str(tmp_path), 'max_iters', 120, 0.5)
    assert read_length(str(tmp_path)) == ('max_iters', 120)
    assert read_length(tmp_path / 'other') is None
