"""Evaluate a checkpoint on the test data of a config, for any task.

    python tools/test.py CONFIG CHECKPOINT [--tta] [--out metrics.json]
        [--show-dir FOLDER [--show-num N]]
    python tools/test.py WORK_DIR

For CHECKPOINT, a work dir means its last checkpoint; for CONFIG, the config that training wrote
there. A classifier of MAE's or CAE's code is evaluated as it is: its names are translated. Metrics
are printed under the papers' names, in percent. `--out` writes them as json: {"config",
"checkpoint", "metrics": the papers' names, "raw": the framework's names and scales}.
`--show-dir` writes every picture, or the first N, with its prediction, as a PNG. `--tta` averages
the predictions over the views that the config's `tta_pipeline` makes of each picture.
"""

import argparse
import signal

if __name__ == '__main__' and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback of the imports, which take seconds

from mae_transfer.run import test  # noqa: E402
from mae_transfer.run.command_line import add_config_arguments, add_launch_arguments  # noqa: E402
from mae_transfer.run.errors import run_tool  # noqa: E402


def parse_args() -> argparse.Namespace:
    """Command line; its arguments are those of `mae_transfer.run.test`."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    add_config_arguments(parser)
    parser.add_argument(
        'checkpoint',
        nargs='?',
        help='checkpoint of a training run of this config, or its work dir; or a classifier of '
        "MAE's or CAE's code; not needed if CONFIG is a work dir",
    )
    add_launch_arguments(parser)
    parser.add_argument('--tta', action='store_true', help='average over several sizes and flips')
    parser.add_argument('--out', metavar='FILE', help='write the metrics to this json file')
    parser.add_argument(
        '--show-dir', metavar='FOLDER', help='write pictures of the predictions here'
    )
    parser.add_argument(
        '--show-num', type=int, metavar='N', help='draw only the first N pictures; needs --show-dir'
    )
    return parser.parse_args()


def main() -> None:
    """Entry point."""
    args = vars(parse_args())
    debug = args.pop('debug')
    args.pop('local_rank')
    run_tool(lambda: test(**args), debug)


if __name__ == '__main__':
    main()
