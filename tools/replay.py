"""Run a training step again that was skipped because it was not finite.

    python tools/replay.py BUNDLE [--weights CHECKPOINT]

BUNDLE is a folder that a training wrote into <work dir>/nonfinite. It holds the batch, the random
states, the weights and the config of the step. The exit code is 0 if the failure was reproduced and
1 if it was not.

A config is a program: the one in a folder that others gave you runs as their code would. The other
files in it are read without running code.
"""

import argparse
import sys

from mae_transfer.run.command_line import add_debug_argument
from mae_transfer.run.errors import run_tool
from mae_transfer.run.replay import replay_lines, replay_step


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('bundle', metavar='BUNDLE', help='folder such as work_dir/nonfinite/iter_9')
    parser.add_argument(
        '--weights',
        metavar='CHECKPOINT',
        help='a file, or the work dir of a run, instead of its own weights',
    )
    add_debug_argument(parser)
    return parser.parse_args()


def replay(args: argparse.Namespace) -> None:
    """Run the step and describe it."""
    done = replay_step(args.bundle, args.weights)
    print('\n'.join(replay_lines(done)))
    sys.exit(0 if done.reproduced else 1)


def main() -> None:
    """Entry point."""
    args = parse_args()
    run_tool(lambda: replay(args), args.debug)


if __name__ == '__main__':
    main()
