"""A used work dir: refused, or cleared of what runs wrote and of nothing else."""

from pathlib import Path

import pytest

from mae_transfer.run.work_dir import ReplaceRunHook, check_work_dir, read_length, write_length

FOREIGN = {'notes.txt', 'pretrained.pth', 'iter_5.pth.txt', 'best_friend.pth', 'own.py'}
FOREIGN |= {'pictures', '20260101', 'reconstructions'}


@pytest.fixture
def used(tmp_path: Path) -> Path:
    """What a run leaves, among files of its user."""
    for name in ('iter_3.pth', 'epoch_12.pth', 'best_mIoU_iter_3.pth', 'last_checkpoint'):
        (tmp_path / name).touch()
    (tmp_path / '20260101_120000' / 'vis_data').mkdir(parents=True)
    (tmp_path / '20260101_120000' / 'vis_data' / 'scalars.json').write_text('{"loss": 1.0}')
    for name in ('recipe.py', '20260101_120000/vis_data/config.py'):
        (tmp_path / name).write_text('lr = 1')
    for name in ('pictures', '20260101', 'reconstructions'):
        (tmp_path / name).mkdir()
    for name in ('reconstructions/iter_3.png', 'reconstructions/mine.png'):
        (tmp_path / name).touch()
    for name in FOREIGN - {'pictures', '20260101', 'reconstructions'}:
        (tmp_path / name).touch()
    return tmp_path


def test_check_work_dir__refuses_a_used_one(used):
    before = sorted(used.iterdir())
    with pytest.raises(ValueError, match='best_mIoU_iter_3.pth.*--resume.*--overwrite'):
        check_work_dir(str(used), resume=False, overwrite=False)
    check_work_dir(str(used), resume=True, overwrite=False)
    assert sorted(used.iterdir()) == before


def test_replace_run__removes_what_runs_wrote_alone(used, capsys):
    check_work_dir(str(used), resume=False, overwrite=True)
    with ReplaceRunHook(str(used), overwrite=True) as replacing:
        (used / 'iter_1.pth').touch()  # of the new run
        replacing.before_train(runner=None)
    assert {path.name for path in used.iterdir()} == FOREIGN | {'iter_1.pth'}
    assert [path.name for path in (used / 'reconstructions').iterdir()] == ['mine.png']
    assert '--overwrite: removed 20260101_120000, best_mIoU_iter_3.pth' in capsys.readouterr().out
    (used / 'iter_1.pth').unlink()
    check_work_dir(str(used), resume=False, overwrite=False)


def test_check_work_dir__a_log_alone_counts_once_it_holds_figures(tmp_path):
    (tmp_path / '20260101_120000' / 'vis_data').mkdir(parents=True)  # failed at its start
    check_work_dir(str(tmp_path), resume=False, overwrite=False)
    (tmp_path / '20260101_120000' / 'vis_data' / 'scalars.json').write_text('{"loss": 1.0}')
    with pytest.raises(ValueError, match='contains 20260101_120000 of an earlier run'):
        check_work_dir(str(tmp_path), resume=False, overwrite=False)
    check_work_dir(str(tmp_path / 'new'), resume=False, overwrite=False)


def test_replace_run__puts_everything_back_if_the_new_run_fails(used):
    before = sorted(used.rglob('*'))
    with pytest.raises(KeyError), ReplaceRunHook(str(used), overwrite=True):
        raise KeyError('a type that nobody registered')
    assert sorted(used.rglob('*')) == before
    with ReplaceRunHook(str(used), overwrite=False):
        assert sorted(used.rglob('*')) == before


def test_replace_run__keeps_what_a_killed_replacement_left(used):
    ReplaceRunHook(str(used), overwrite=True).__enter__()  # and killed
    with pytest.raises(ValueError, match='.replaced.* was interrupted: move them back'):
        ReplaceRunHook(str(used), overwrite=True).__enter__()
    assert (used / '.replaced' / 'iter_3.pth').is_file()


def test_check_work_dir__keeps_what_the_run_starts_from(used):
    for start in (used, used / 'iter_3.pth'):
        with pytest.raises(ValueError, match='--overwrite would remove .* from which this run'):
            check_work_dir(str(used), resume=False, overwrite=True, start=str(start))
    check_work_dir(str(used / 'new'), resume=False, overwrite=True, start=str(used))
    with pytest.raises(NotADirectoryError, match='notes.txt.* is a file'):
        check_work_dir(str(used / 'notes.txt'), resume=False, overwrite=False)


def test_check_work_dir__refuses_both(tmp_path):
    with pytest.raises(ValueError, match='contradict'):
        check_work_dir(str(tmp_path), resume=True, overwrite=True)


def test_length__is_noted_in_the_work_dir(tmp_path):
    assert read_length(str(tmp_path)) is None
    write_length(str(tmp_path), 'max_iters', 120, 0.5)
    assert read_length(str(tmp_path)) == ('max_iters', 120)
    other = str(tmp_path / 'other')
    assert read_length(other) is None
    assert read_length(other, str(tmp_path / 'iter_3.pth')) == ('max_iters', 120)
