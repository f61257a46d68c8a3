"""Describe a checkpoint and list the configs that it fits, without running code in the file.

    python tools/inspect_checkpoint.py FILE [--json]

FILE is anything that --pretrained takes: a file of any known layout, a work dir, a folder of
Hugging Face's library, or timm:NAME.
"""

import argparse
import json
import sys
from pathlib import Path

from mmengine.config import Config

from mae_transfer.checkpoints.describe import describe_checkpoint, misfits
from mae_transfer.checkpoints.description_rows import describe_in_rows
from mae_transfer.run.command_line import add_debug_argument, add_facts_argument
from mae_transfer.run.errors import run_tool
from mae_transfer.run.places import ROOT

BASES = '_base_'


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('checkpoint', metavar='FILE', help='file, work dir, folder or timm:NAME')
    parser.add_argument('--json', action='store_true', help='print json instead of a table')
    parser.add_argument(
        '--configs',
        type=Path,
        default=ROOT / 'configs',
        metavar='FOLDER',
        help='folder of the configs to compare with',
    )
    add_facts_argument(parser)
    add_debug_argument(parser)
    return parser.parse_args()


def inspect_checkpoint(args: argparse.Namespace) -> None:
    """Describe the file and compare it with every config."""
    description = describe_checkpoint(args.checkpoint, args.facts, trust=False)
    description['configs'] = fitting_configs(description, args.configs)
    if args.json:
        print(json.dumps(description, indent=2))
    else:
        print_table(description)


def fitting_configs(description: dict, folder: Path) -> dict[str, list[str]]:
    """Find the configs whose encoder can load the checkpoint.

    Args:
        description: See ``describe_checkpoint``.
        folder: Folder of the configs; files below a folder ``_base_`` are parts of configs.

    Returns:
        'as it is' and 'with resampled patches' -> paths below the folder.

    Raises:
        NotADirectoryError: There is no such folder.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f'--configs: there is no folder {str(folder)!r}')
    fits: dict[str, list[str]] = {'as it is': [], 'with resampled patches': []}
    paths = [path for path in folder.rglob('*.py') if BASES not in path.relative_to(folder).parts]
    print(f'comparing with {len(paths)} configs in {folder}', file=sys.stderr)  # takes a while
    for path in sorted(paths):
        name = path.relative_to(folder)
        cfg = Config.fromfile(path, import_custom_modules=False)
        backbone = (cfg.get('model') or {}).get('backbone') or {}
        if backbone.get('type') != 'PlainViT':
            continue
        reasons = misfits(description, backbone)
        if not reasons:
            fits['as it is'].append(name.as_posix())
        elif all(reason.startswith('patch ') for reason in reasons):
            fits['with resampled patches'].append(name.as_posix())
    return fits


def print_table(description: dict) -> None:
    """Print one line per fact; lines are not wrapped, so that names of configs can be copied."""
    lines = describe_in_rows(description)
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        first, *more = value.split('\n')
        print(f'{name:<{width}}  {first}')
        for line in more:
            print(f'{"":<{width}}  {line}')


def main() -> None:
    """Entry point."""
    args = parse_args()
    run_tool(lambda: inspect_checkpoint(args), args.debug)


if __name__ == '__main__':
    main()
