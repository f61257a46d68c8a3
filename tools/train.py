"""Train what a config describes: pre-training or any task, on one process or many.

    python tools/train.py CONFIG --pretrained work_dirs/mae --cfg-options data.root=/data/cells

`tools/dist_train.sh CONFIG GPUS` and `tools/slurm_train.sh` start it on several processes.
"""

import argparse

from mae_transfer.run import train
from mae_transfer.run.command_line import add_config_arguments, add_launch_arguments
from mae_transfer.run.errors import run_tool
from mae_transfer.run.param_groups import print_param_groups


def parse_args() -> argparse.Namespace:
    """Command line."""
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
        help='tensors that --pretrained, load_from or --resume may leave as they are, by patterns '
        "of their names: 'norm.*'; anything else that does not fit is an error",
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='latest',
        metavar='CHECKPOINT',
        help='go on from this checkpoint, or from the latest in the work dir, if any',
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
        help='print learning rate and decay per group, and stop',
    )
    return parser.parse_args()


def main() -> None:
    """Entry point."""
    args = vars(parse_args())
    debug, print_groups = args.pop('debug'), args.pop('print_param_groups')
    args.pop('local_rank')
    run_tool(lambda: (print_param_groups if print_groups else train)(**args), debug)


if __name__ == '__main__':
    main()
