"""Print a config as a run would see it: inheritance, `--cfg-options` and the data block applied."""

import argparse
import contextlib
import sys

from mae_transfer.run.command_line import add_config_arguments
from mae_transfer.run.config import read_config
from mae_transfer.run.errors import run_tool


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_config_arguments(parser)
    return parser.parse_args()


def print_config(config: str, options: dict) -> None:
    """Print only the config to stdout; frameworks' messages during import go to stderr."""
    with contextlib.redirect_stdout(sys.stderr):
        cfg = read_config(config, options)
    print(cfg.pretty_text)


def main() -> None:
    """Entry point."""
    args = parse_args()
    run_tool(lambda: print_config(args.config, args.cfg_options), args.debug)


if __name__ == '__main__':
    main()
