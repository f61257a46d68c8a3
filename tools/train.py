"""Train a config, for pre-training or any task, in one process or several.

    python tools/train.py CONFIG --pretrained work_dirs/mae --cfg-options data.root=/data/cells
    python tools/train.py CONFIG --iters 500    # or --epochs 5, --minutes 20: the schedule scales

`tools/dist_train.sh CONFIG GPUS` and `tools/slurm_train.sh` start several processes.
"""

import argparse
import signal

if __name__ == '__main__' and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback of the imports, which take seconds

from mae_transfer.run import train  # noqa: E402
from mae_transfer.run.command_line import add_config_arguments, add_launch_arguments  # noqa: E402
from mae_transfer.run.errors import run_tool  # noqa: E402
from mae_transfer.run.param_groups import print_param_groups  # noqa: E402


def parse_args() -> argparse.Namespace:
    """Command line; its arguments are those of `mae_transfer.run.train`."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    add_config_arguments(parser)
    add_launch_arguments(parser)
    parser.add_argument(
        '--pretrained',
        metavar='FILE_OR_WORK_DIR',
        help='weights for the backbone: a checkpoint file, the work dir of a pre-training run, a '
        "folder of Hugging Face's library, or timm:NAME",
    )
    parser.add_argument(
        '--allow-partial',
        nargs='+',
        default=[],
        metavar='PATTERN',
        help='patterns of tensors that need not match in --pretrained, load_from or --resume, such '
        "as 'norm.*'; any other mismatch is an error",
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='latest',
        metavar='CHECKPOINT',
        help='resume from this checkpoint, or from the latest in the work dir, if any',
    )
    parser.add_argument(
        '--overwrite',
        action='store_true',
        help='remove checkpoints and logs of an earlier run from the work dir',
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        '--iters', type=int, metavar='N', help='train N iterations; the schedule scales'
    )
    length.add_argument(
        '--epochs', type=int, metavar='N', help='train N epochs; the schedule scales'
    )
    length.add_argument(
        '--minutes',
        type=float,
        metavar='M',
        help='train for about M minutes: a trial times the first steps, and the schedule scales',
    )
    parser.add_argument(
        '--amp', action='store_true', help='mixed precision: bfloat16, or float16 on older GPUs'
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate from the batch size of the recipe to that of this run',
    )
    parser.add_argument(
        '--print-param-groups',
        action='store_true',
        help='print learning rate and weight decay per group, and exit',
    )
    return parser.parse_args()


def main() -> None:
    """Entry point."""
    args = vars(parse_args())
    debug = args.pop('debug')
    args.pop('local_rank')
    if args.pop('print_param_groups'):
        used = {key: args[key] for key in ('config', 'auto_scale_lr', 'cfg_options')}
        run_tool(lambda: print_param_groups(**used), debug)
    else:
        run_tool(lambda: train(**args), debug)


if __name__ == '__main__':
    main()
