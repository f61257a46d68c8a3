"""The demo for CAE: tokenizer, pre-training, both tasks, in one table with MAE and random weights.

    python tools/demo_cae.py [--work-dir work_dirs/demo]

It shares the work dir of demo.py: what one of them has run is not run again. The row of MAE comes
from demo.py; random weights are fine-tuned here, too, beside the pre-training. It leaves
results-cae.json, seed-0/{tokenizer,pretrain-cae}/reconstructions/*.png and the folders of demo.py.
"""

import argparse
import json
from pathlib import Path

from demo import CONFIGS, RESULTS, add_jobs_argument, compare, mae_and_random
from rich.console import Console

from mae_transfer.demo.journey import Plan, Start
from mae_transfer.demo.results import read_results
from mae_transfer.run.places import ROOT

TOKENIZER = f'{CONFIGS}/dvae_conv-demo-p4_1xb64-coslr-1000i_scenes-32x32.py'
PRETRAIN = f'{CONFIGS}/cae_vit-demo-p8_1xb32-coslr-2000i_scenes-64x64.py'
TASKS = {
    'detection': f'{CONFIGS}/mask-rcnn_vit-demo-p8_cae-pre_simple-fpn_1xb8-600i_scenes-64x64.py',
    'segmentation': f'{CONFIGS}/upernet_vit-demo-p8_cae-pre_1xb8-600i_scenes-64x64.py',
}


def plan_of(root: Path, jobs: int) -> Plan:
    """Random weights fill the core that the pre-training leaves."""
    starts = {
        'random': mae_and_random()['random'],
        'CAE': Start(TASKS, PRETRAIN, 'pretrain-cae', TOKENIZER),
    }
    return Plan(root, starts, [0], jobs)


def mae_records(root: Path) -> list[dict]:
    """Results of demo.py for MAE, if there are any."""
    path = root / RESULTS
    return [r for r in read_results(path) if r['init'] == 'MAE'] if path.is_file() else []


def describe_tokenizer(root: Path) -> str:
    """What the tokenizer is worth on pictures that it has not seen."""
    path = root / 'seed-0' / 'tokenizer' / 'metrics.json'
    metrics = json.loads(path.read_text(encoding='utf-8'))['metrics']
    return (
        f'tokenizer, held-out scenes: squared error {metrics["reconstruction_MSE"]:.0f}, of the '
        f'mean picture {metrics["mean_picture_MSE"]:.0f}; {metrics["codes_used"]:.0f} % of the '
        'codes used'
    )


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--work-dir', type=Path, default=ROOT / 'work_dirs' / 'demo')
    add_jobs_argument(parser)
    args = parser.parse_args()
    mae = mae_records(args.work_dir)
    plan = plan_of(args.work_dir, args.jobs)
    compare(plan, 'Embedded scenes, validation', 'results-cae.json', mae)
    console = Console()
    console.print(describe_tokenizer(args.work_dir))
    if not mae:
        console.print('no row of MAE: `make demo` makes it, and `make demo-cae` then shows it')


if __name__ == '__main__':
    main()
