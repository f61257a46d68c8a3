"""From a config file to the config of a run: options merged, the data block spread."""

import os
from pathlib import Path

from mmengine.config import Config

from mae_transfer.data.data_block import apply_data_block
from mae_transfer.run.options import check_option
from mae_transfer.run.places import find_file
from mae_transfer.run.processes import say


def read_config(path: str, options: dict) -> Config:
    """Read a config file, merge `--cfg-options` and spread the data block.

    Args:
        path: Config file, relative to the current folder or to the checkout.
        options: Dotted key -> value.

    Raises:
        FileNotFoundError: The config, or a file that its data block names, does not exist.
        ValueError: An option's key or type is wrong.
    """
    path = find_file(path, 'CONFIG')
    try:
        cfg = Config.fromfile(path)
    except SyntaxError as error:
        raise ValueError(f'{path}, or a file in its _base_, is no valid Python: {error}') from error
    for key, value in options.items():
        check_option(cfg, key, value)
    cfg.merge_from_dict(options)
    for line in apply_data_block(cfg, options):
        say(line)
    return cfg


def set_work_dir(cfg: Config, config_path: str, work_dir: str | None) -> None:
    """`--work-dir`, else the config's, else work_dirs/<name of the config>."""
    cfg.work_dir = (
        work_dir or cfg.get('work_dir') or os.path.join('work_dirs', Path(config_path).stem)
    )
