import pytest

from mae_transfer.demo.results import (
    collect,
    read_results,
    results_table,
    summary_rows,
    write_results,
)


def record(task: str, init: str, seed: int, **metrics: float) -> dict:
    return dict(
        task=task,
        init=init,
        seed=seed,
        iterations=10,
        seconds=1.0,
        config='c.py',
        checkpoint='w.pth',
        **metrics,
    )


RECORDS = [
    record('detection', 'MAE', 1, box_AP=30.0, mask_AP=20.0),
    record('detection', 'MAE', 0, box_AP=34.0, mask_AP=22.0),
    record('detection', 'random', 0, box_AP=10.0, mask_AP=None),
    record('detection', 'random', 1, box_AP=11.0, mask_AP=4.0),
    record('segmentation', 'MAE', 0, mIoU=50.0),
]


def test_summary__mean_spread_and_difference_by_hand():
    """Sample deviation of 30 and 34 is sqrt(8) = 2.83; of 10 and 11 it is 0.71."""
    header, rows = summary_rows(RECORDS)
    assert header == ['init', 'box AP', 'mask AP', 'mIoU']
    assert rows == [
        ['MAE', '32.0 ± 2.8', '21.0 ± 1.4', '50.0'],
        ['random', '10.5 ± 0.7', '4.0', '-'],
        ['MAE - random', '+21.5', '+17.0', '-'],
    ]


def test_collect__one_metric_of_one_start_by_seed():
    assert collect(RECORDS, 'MAE', 'box_AP') == [34.0, 30.0]
    assert collect(RECORDS, 'random', 'mask_AP') == [4.0]


def test_table__holds_the_summary():
    table = results_table(RECORDS, 'scenes')
    assert table.title == 'scenes' and table.row_count == 3
    assert [column.header for column in table.columns] == ['init', 'box AP', 'mask AP', 'mIoU']


def test_results__there_and_back(tmp_path):
    path = tmp_path / 'new' / 'results.json'
    write_results(path, RECORDS)
    assert read_results(path) == RECORDS
    assert [p.name for p in path.parent.iterdir()] == ['results.json']


@pytest.mark.parametrize('broken', [dict(RECORDS[0], seconds=None), dict(task='detection')])
def test_results__rejects_a_record_without_its_keys(tmp_path, broken):
    broken = {k: v for k, v in broken.items() if v is not None}
    with pytest.raises(ValueError, match='needs task, init, seed'):
        write_results(tmp_path / 'results.json', [broken])
    assert not list(tmp_path.iterdir())
