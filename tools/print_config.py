"""Print a config as a run would see it: inheritance, `--cfg-options` and the data block applied."""

import argparse

from mae_transfer.run.command_line import add_config_arguments
from mae_transfer.run.config import read_config
from mae_transfer.run.errors import run_tool


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_config_arguments(parser)
    args = parser.parse_args()
    run_tool(lambda: print(read_config(args.config, args.cfg_options).pretty_text), args.debug)


if __name__ == '__main__':
    main()
