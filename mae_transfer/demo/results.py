"""Reads, writes and tabulates the results of a comparison: one flat record per run.

Records are stored in ``results.json``. A record contains ``task``, ``init``, ``seed``, the metrics
under the papers' names in percent (``box_AP``, ``mask_AP``, ``mIoU``, ``top1``), ``iterations``,
``seconds``, ``config`` and ``checkpoint``.
"""

import json
import statistics
from collections.abc import Iterable
from pathlib import Path

from rich.table import Table

from mae_transfer.compat.atomic_write import write_atomically

METRICS = {'box_AP': 'box AP', 'mask_AP': 'mask AP', 'mIoU': 'mIoU', 'top1': 'top-1'}
REQUIRED = ('task', 'init', 'seed', 'iterations', 'seconds', 'config', 'checkpoint')


def write_results(path: str | Path, records: Iterable[dict]) -> None:
    """Write all records atomically: a reader never sees an incomplete file.

    Args:
        path: The json file; its folder is created.
        records: One per run, see the docstring of this module.

    Raises:
        ValueError: If a record lacks a key or has no metric.
    """
    records = list(records)
    for record in records:
        missing = [key for key in REQUIRED if key not in record]
        if missing or not any(name in record for name in METRICS):
            raise ValueError(
                f'record {record}: needs {", ".join(REQUIRED)} and one of {", ".join(METRICS)}'
            )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(records, indent=2) + '\n')


def read_results(path: str | Path) -> list[dict]:
    """Read what :func:`write_results` wrote."""
    return json.loads(Path(path).read_text(encoding='utf-8'))


def collect(records: Iterable[dict], init: str, metric: str) -> list[float]:
    """Return the values of one metric from all runs that started from ``init``, by seed."""
    chosen = [r for r in records if r['init'] == init and r.get(metric) is not None]
    return [r[metric] for r in sorted(chosen, key=lambda r: r['seed'])]


def spread(values: list[float]) -> str:
    """Format the mean and, for several runs, the sample standard deviation."""
    if not values:
        return '-'
    mean = f'{statistics.mean(values):.1f}'
    return f'{mean} ± {statistics.stdev(values):.1f}' if len(values) > 1 else mean


def summary_rows(records: list[dict]) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the comparison: a row per initialization, a column per metric.

    With two initializations, a last row gives the difference of the means, first minus second.
    """
    present = [name for name in METRICS if any(r.get(name) is not None for r in records)]
    inits = list(dict.fromkeys(r['init'] for r in records))
    rows = [[init, *(spread(collect(records, init, m)) for m in present)] for init in inits]
    if len(inits) == 2:
        pairs = [[collect(records, init, m) for init in inits] for m in present]
        gains = [
            f'{statistics.mean(a) - statistics.mean(b):+.1f}' if a and b else '-' for a, b in pairs
        ]
        rows.append([f'{inits[0]} - {inits[1]}', *gains])
    return ['init', *(METRICS[name] for name in present)], rows


def results_table(records: list[dict], title: str) -> Table:
    """Format the comparison as a table for the terminal."""
    header, rows = summary_rows(records)
    table = Table(title=title)
    for index, column in enumerate(header):
        table.add_column(column, justify='right' if index else 'left')
    for row in rows:
        table.add_row(*row)
    return table
