"""Pre-train, transfer to detection and segmentation, compare with random weights: in 20 minutes.

    python tools/demo.py [--work-dir work_dirs/demo]

Makes the embedded data set, runs train.py and test.py, and leaves under the work dir: results.json,
seed-0/pretrain/reconstructions/*.png, seed-0/*/predictions/*.png, TensorBoard logs and checkpoints.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from mae_transfer.demo.journey import Journey, Plan, Start
from mae_transfer.demo.results import results_table, write_results
from mae_transfer.demo.scenes import make_scenes
from mae_transfer.run.places import ROOT

CONFIGS = 'configs/demo'
PRETRAIN = f'{CONFIGS}/mae_vit-demo-p8_1xb32-coslr-2000i_scenes-64x64.py'
TASKS = {
    'detection': f'{CONFIGS}/mask-rcnn_vit-demo-p8_mae-pre_simple-fpn_1xb8-600i_scenes-64x64.py',
    'segmentation': f'{CONFIGS}/upernet_vit-demo-p8_mae-pre_1xb8-600i_scenes-64x64.py',
}
RESULTS = 'results.json'


def mae_and_random(pretrain_config: str = PRETRAIN) -> dict[str, Start]:
    """The two starts that the demo compares."""
    return {'random': Start(TASKS), 'MAE': Start(TASKS, pretrain_config)}


def compare(plan: Plan, title: str, file: str = RESULTS, others: Sequence[dict] = ()) -> None:
    """Make the data, run the plan, write the results and print them.

    Args:
        plan: What is run.
        title: Head of the table.
        file: Name of the results below the root.
        others: Records of earlier runs that belong into the table.
    """
    start = time.monotonic()
    console = Console()
    make_scenes(ROOT / 'data' / 'demo-scenes')
    records = [*Journey(plan).run(), *others]
    records.sort(key=lambda record: (record['init'], record['task'], record['seed']))
    results = plan.root / file
    write_results(results, records)
    console.print(results_table(records, f'{title}: AP and IoU in percent'))
    console.print(f'{(time.monotonic() - start) / 60:.1f} minutes')
    console.print(f'results: {results}', soft_wrap=True)
    for seed in plan.seeds:
        folder = plan.root / f'seed-{seed}'
        console.print(
            f'pictures: {folder}/*/reconstructions, {folder}/*/predictions', soft_wrap=True
        )


def add_jobs_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--jobs`."""
    parser.add_argument('--jobs', type=int, default=2, help='runs at a time; 1 on a GPU')


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--work-dir', type=Path, default=ROOT / 'work_dirs' / 'demo')
    add_jobs_argument(parser)
    args = parser.parse_args()
    plan = Plan(args.work_dir, mae_and_random(), [0], args.jobs)
    compare(plan, 'Embedded scenes, validation')


if __name__ == '__main__':
    main()
