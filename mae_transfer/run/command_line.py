"""Defines the arguments that the command lines share."""

import argparse

from mmengine.config import DictAction


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """Add CONFIG, `--cfg-options` and `--debug`."""
    parser.add_argument(
        'config', help='config file; relative to the current folder or to the checkout'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        default={},
        metavar='KEY=VALUE',
        help='change keys of the config: optim_wrapper.optimizer.lr=1e-4 data.root=/data/cells',
    )
    parser.add_argument('--debug', action='store_true', help='show the traceback of every error')


def add_launch_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--work-dir` and `--launcher`."""
    parser.add_argument('--work-dir', help='folder for logs, checkpoints and results')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm'], default='none')
    parser.add_argument(
        '--trust-checkpoint',
        action='store_true',
        help='read checkpoints even if that runs code in them; use it only for files whose author '
        'you trust as you trust a program',
    )
    # Older launchers pass it; the environment variable has the same value.
    parser.add_argument('--local-rank', '--local_rank', type=int, default=0, help=argparse.SUPPRESS)
