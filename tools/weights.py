"""Download released weights to the folder where the configs look for them, or list them.

    python tools/weights.py [NAME ...] [--folder checkpoints]

NAME is a name from the list, or timm:MODEL, which is downloaded to the cache of Hugging Face's hub,
where `--pretrained timm:MODEL` finds it.
"""

import argparse
from pathlib import Path

from mae_transfer.backbones.timm_weights import TIMM
from mae_transfer.checkpoints.files.published import (
    FOLDER,
    PUBLISHED,
    fetch,
    fetch_timm,
    find_published,
)
from mae_transfer.run.command_line import add_debug_argument
from mae_transfer.run.errors import run_tool


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument(
        'names', nargs='*', metavar='NAME', help='mae-vit-base, ..., or timm:MODEL; none: list all'
    )
    parser.add_argument(
        '--folder', type=Path, default=Path(FOLDER), help='destination (default: %(default)s)'
    )
    add_debug_argument(parser)
    return parser.parse_args()


def get_weights(args: argparse.Namespace) -> None:
    """Download every named file, or list all names."""
    if not args.names:
        print_list()
    for name in args.names:
        if name.startswith(TIMM):
            print(f'{name}: {fetch_timm(name.removeprefix(TIMM))}')
            continue
        weights = find_published(name)
        print(f'{name}: {weights.holds}; license: {weights.license}; {weights.page}')
        print(f'{name}: {fetch(weights, args.folder)}')


def print_list() -> None:
    """Print two lines per entry: name and file; description and source."""
    for weights in PUBLISHED:
        print(f'{weights.name:<24} {FOLDER}/{weights.file}')
        source = f'; {weights.license}; {weights.page}' if weights.page else ''
        print(f'{"":<24} {weights.holds}{source}')


def main() -> None:
    """Entry point."""
    args = parse_args()
    run_tool(lambda: get_weights(args), args.debug)


if __name__ == '__main__':
    main()
