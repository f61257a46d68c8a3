"""Defines the arguments that the command lines share."""

import argparse
from typing import Any

from mmengine.config import DictAction

from mae_transfer.compat.distributed import LAUNCHERS


class KeyValues(DictAction):
    """MMEngine's ``KEY=VALUE`` arguments, where what it cannot read is an error of one sentence."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Read the arguments one by one, so that the wrong one can be named."""
        for value in values:
            try:
                super().__call__(parser, namespace, [value], option_string)
            except (ValueError, AssertionError, RecursionError):
                parser.error(
                    f'{option_string} {value!r}: must be KEY=VALUE with a number, a word, or a '
                    "list such as '[1,2]'; give a dict key by key, as KEY.NAME=VALUE"
                )


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """Add CONFIG, `--cfg-options` and `--debug`."""
    parser.add_argument(
        'config', help='config file; relative to the current folder or to the checkout'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=KeyValues,
        default={},
        metavar='KEY=VALUE',
        help='change keys of the config: optim_wrapper.optimizer.lr=1e-4 data.root=/data/cells',
    )
    add_debug_argument(parser)


def add_debug_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--debug`."""
    parser.add_argument('--debug', action='store_true', help='show the traceback of every error')


def add_trust_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--trust-checkpoint`."""
    parser.add_argument(
        '--trust-checkpoint',
        action='store_true',
        help='read checkpoints even if that runs code in them; use it only for files whose author '
        'you trust as you trust a program',
    )


def add_facts_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--facts`."""
    parser.add_argument(
        '--facts',
        nargs='+',
        action=KeyValues,
        default={},
        metavar='NAME=VALUE',
        help='facts that the file does not state: num_heads=6 norm_eps=1e-6 norm_pix=True '
        'decoder_num_heads=16 pos_grid=14,14',
    )


def add_launch_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--work-dir`, `--launcher` and `--trust-checkpoint`."""
    parser.add_argument('--work-dir', help='folder for logs, checkpoints and results')
    parser.add_argument('--launcher', choices=LAUNCHERS, default='none')
    add_trust_argument(parser)
    # Older launchers pass it; the environment variable has the same value.
    parser.add_argument('--local-rank', '--local_rank', type=int, default=0, help=argparse.SUPPRESS)
