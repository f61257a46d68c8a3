"""Pre-trains, transfers to both tasks, and compares the results with those of random weights.

::

    from mae_transfer.demo.comparison import compare

    compare('mae', seeds=[0, 1, 2])
"""

import contextlib
import io
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from mae_transfer.demo.first_look import draw_first_look
from mae_transfer.demo.plans import METHODS, Method, Plan
from mae_transfer.demo.results import read_results, results_table, write_results
from mae_transfer.demo.scenes import DEFAULT_ROOT, make_scenes
from mae_transfer.demo.steps import StepRunner, tokenizer_folder
from mae_transfer.run.places import default_root


def compare(
    method: str = 'mae',
    *,
    seeds: Sequence[int] = (0,),
    work_dir: str | os.PathLike | None = None,
    jobs: int = 2,
) -> list[dict]:
    """Make the embedded data, run the unfinished steps, and show the results.

    The data is made in separate processes, so a script that calls this needs
    ``if __name__ == '__main__':``.

    Args:
        method: A key of ``METHODS``: 'mae', 'mae-long' or 'cae'.
        seeds: One pre-training and one run per task and start each.
        work_dir: Folder for all output. Steps that an earlier call finished there are not run
            again. By default ``work_dirs/demo`` (``work_dirs/study`` for 'mae-long'), in the
            checkout if there is one, or else in the current folder; the data is in the same place.
        jobs: Parallel runs; 1 on a GPU.

    Returns:
        A record per fine-tuning run, see ``mae_transfer.demo.results``.

    Raises:
        ValueError: ``method``, ``seeds`` or ``jobs`` is invalid, or the work dir contains runs of
            another method.
        RuntimeError: A run failed; the message contains the end of its output.
    """
    if method not in METHODS:
        raise ValueError(f'method={method!r}: choose from {", ".join(METHODS)}')
    root = Path(work_dir) if work_dir else default_root() / METHODS[method].work_dir
    plan = Plan(root, METHODS[method].starts, seeds, jobs)
    start = time.monotonic()
    make_scenes(default_root() / DEFAULT_ROOT)
    own = StepRunner(plan).run()
    records = _with_rows_beside(METHODS[method], plan, own)
    write_results(root / METHODS[method].results, records)
    console = Console()
    _show(console, METHODS[method], plan, records, (time.monotonic() - start) / 60)
    first_look = root / METHODS[method].first_look
    # The frameworks print and log what they load.
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        draw_first_look(plan, first_look, own)
    console.print(f'first look: {first_look}', soft_wrap=True)
    return records


def _with_rows_beside(method: Method, plan: Plan, records: list[dict]) -> list[dict]:
    """Add the records of the other method for the same seeds, if there are any."""
    if method.beside:
        others = plan.root / METHODS[method.beside].results
        known = {record['init'] for record in records}
        records = records + [
            record
            for record in (read_results(others) if others.is_file() else [])
            if record['init'] not in known and record['seed'] in plan.seeds
        ]
    return sorted(records, key=lambda r: (r['init'], r['task'], r['seed']))


def _show(
    console: Console, method: Method, plan: Plan, records: list[dict], minutes: float
) -> None:
    """Print the table, the time and the locations of the results."""
    count = f', {len(plan.seeds)} seeds' if len(plan.seeds) > 1 else ''
    title = f'Embedded scenes, validation{count}: AP and IoU in percent'
    console.print(results_table(records, title))
    lines = [f'{minutes:.1f} minutes']
    if method.beside and {r['init'] for r in records} == set(method.starts):
        lines.append(f'`python tools/demo.py --method {method.beside}` adds a row')
    for start in method.starts.values():
        if start.tokenizer_config:
            lines.append(describe_tokenizer(tokenizer_folder(plan, plan.seeds[0])))
    lines.append(f'results: {plan.root / method.results}')
    for seed in plan.seeds:
        folder = plan.root / f'seed-{seed}'
        lines.append(f'pictures: {folder}/*/reconstructions, {folder}/*/predictions')
    for line in lines:
        console.print(line, soft_wrap=True)


def describe_tokenizer(folder: Path) -> str:
    """Report the quality of a tokenizer on held-out pictures."""
    metrics = json.loads((folder / 'metrics.json').read_text(encoding='utf-8'))['metrics']
    return (
        f'tokenizer, held-out scenes: squared error {metrics["reconstruction_MSE"]:.0f}, of the '
        f'mean picture {metrics["mean_picture_MSE"]:.0f}; {metrics["codes_used"]:.0f} % of the '
        'codes used'
    )
