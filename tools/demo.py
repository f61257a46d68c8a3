"""Pre-train, transfer to detection and segmentation, compare with random weights.

    python tools/demo.py [--method mae|cae] [--seeds 3] [--work-dir work_dirs/demo]

Takes about 10 minutes on two cores. To resume an interrupted comparison, run the same command
again.
"""

import argparse

from mae_transfer.demo.comparison import compare
from mae_transfer.demo.plans import METHODS
from mae_transfer.run.errors import run_tool


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument(
        '--method',
        choices=METHODS,
        default='mae',
        help='the pre-training to compare with random weights (mae); mae-long takes 3600 '
        'iterations instead of 2000',
    )
    parser.add_argument(
        '--seeds',
        type=int,
        nargs='+',
        default=[1],
        metavar='N',
        help='one number: how many seeds, starting from 0; several numbers: these seeds (1)',
    )
    parser.add_argument(
        '--work-dir',
        metavar='FOLDER',
        help='folder for all output (work_dirs/demo; work_dirs/study for mae-long)',
    )
    parser.add_argument(
        '--jobs', type=int, default=2, metavar='N', help='parallel runs; use 1 on a GPU (2)'
    )
    args = parser.parse_args()
    if len(args.seeds) == 1:
        if args.seeds[0] < 1:
            parser.error(f'--seeds {args.seeds[0]}: the number of seeds must be at least 1')
        args.seeds = list(range(args.seeds[0]))
    return args


def main() -> None:
    """Entry point."""
    args = vars(parse_args())
    run_tool(lambda: compare(**args))


if __name__ == '__main__':
    main()
