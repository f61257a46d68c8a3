"""The demo's comparison over three seeds with longer pre-training; resumable.

    python tools/study.py [--work-dir work_dirs/study] [--seeds 0 1 2] [--jobs 2]

Each seed has its own pre-training, and its own fine-tuning from it and from random weights, all on
the same labelled scenes with equal schedules. Stop it at any time: a later call goes on.
"""

import argparse
from pathlib import Path

from demo import CONFIGS, add_jobs_argument, compare, mae_and_random

from mae_transfer.demo.journey import Plan
from mae_transfer.run.places import ROOT

PRETRAIN = f'{CONFIGS}/mae_vit-demo-p8_1xb32-coslr-3600i_scenes-64x64.py'


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--work-dir', type=Path, default=ROOT / 'work_dirs' / 'study')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    add_jobs_argument(parser)
    args = parser.parse_args()
    compare(
        Plan(args.work_dir, mae_and_random(PRETRAIN), args.seeds, args.jobs),
        'Embedded scenes, several seeds',
    )


if __name__ == '__main__':
    main()
