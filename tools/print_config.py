"""Print a config as a run would see it: inheritance, `--cfg-options` and the data block applied."""

import argparse
import contextlib
import copy
import sys

from mae_transfer.run.command_line import add_config_arguments
from mae_transfer.run.config import load_config, merge_options
from mae_transfer.run.errors import run_tool
from mae_transfer.run.length import length_of, set_length


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_config_arguments(parser)
    return parser.parse_args()


def print_config(config: str, options: dict) -> None:
    """Print the config alone; what frameworks and options report goes to stderr."""
    with contextlib.redirect_stdout(sys.stderr):
        cfg = load_config(config)
        recipe = length_of(cfg)
        merge_options(cfg, options)
        try:
            moved = copy.deepcopy(cfg)
            for line in set_length(moved, recipe, options):
                print(line)
            cfg = moved
        except FileNotFoundError as error:
            print(
                'WARNING: the schedule below is that of the length of the recipe. A run moves it, '
                f'which takes the number of training images: {error}'
            )
    print(cfg.pretty_text)


def main() -> None:
    """Entry point."""
    args = parse_args()
    run_tool(lambda: print_config(args.config, args.cfg_options), args.debug)


if __name__ == '__main__':
    main()
