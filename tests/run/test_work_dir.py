"""A used work dir: refused, or cleared of what runs wrote and of nothing else."""

from pathlib import Path

import pytest

from mae_transfer.run.work_dir import read_length, take_work_dir, write_length

FOREIGN = {'notes.txt', 'pretrained.pth', 'iter_5.pth.txt', 'pictures', '20260101'}


@pytest.fixture
def used(tmp_path: Path) -> Path:
    """What a run leaves, among files of its user."""
    for name in ('iter_3.pth', 'epoch_12.pth', 'best_mIoU_iter_3.pth', 'last_checkpoint'):
        (tmp_path / name).touch()
    (tmp_path / '20260101_120000' / 'vis_data').mkdir(parents=True)
    (tmp_path / '20260101_120000' / 'vis_data' / 'scalars.json').write_text('{"loss": 1.0}')
    for name in FOREIGN - {'pictures', '20260101'}:
        (tmp_path / name).touch()
    for name in ('pictures', '20260101'):
        (tmp_path / name).mkdir()
    return tmp_path


def test_take_work_dir__refuses_a_used_one(used):
    before = sorted(used.iterdir())
    with pytest.raises(ValueError, match='best_mIoU_iter_3.pth.*--resume.*--overwrite'):
        take_work_dir(str(used), resume=False, overwrite=False)
    take_work_dir(str(used), resume=True, overwrite=False)
    assert sorted(used.iterdir()) == before


def test_take_work_dir__overwrites_what_runs_wrote_alone(used, capsys):
    take_work_dir(str(used), resume=False, overwrite=True)
    assert {path.name for path in used.iterdir()} == FOREIGN
    assert '--overwrite: removed 20260101_120000, best_mIoU_iter_3.pth' in capsys.readouterr().out
    take_work_dir(str(used), resume=False, overwrite=False)


def test_take_work_dir__a_log_alone_counts_once_it_holds_figures(tmp_path):
    (tmp_path / '20260101_120000' / 'vis_data').mkdir(parents=True)  # failed at its start
    take_work_dir(str(tmp_path), resume=False, overwrite=False)
    (tmp_path / '20260101_120000' / 'vis_data' / 'scalars.json').write_text('{"loss": 1.0}')
    with pytest.raises(ValueError, match='contains 20260101_120000 of an earlier run'):
        take_work_dir(str(tmp_path), resume=False, overwrite=False)
    take_work_dir(str(tmp_path / 'new'), resume=False, overwrite=False)


def test_take_work_dir__refuses_both(tmp_path):
    with pytest.raises(ValueError, match='contradict'):
        take_work_dir(str(tmp_path), resume=True, overwrite=True)


def test_length__is_noted_in_the_work_dir(tmp_path):
    assert read_length(str(tmp_path)) is None
    write_length(str(tmp_path), 'max_iters', 120, 0.5)
    assert read_length(str(tmp_path)) == ('max_iters', 120)
