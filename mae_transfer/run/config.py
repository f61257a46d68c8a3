"""Reads a config file, merges options into it, and applies its data block."""

import copy
import os
from pathlib import Path
from typing import TypeAlias

from mmengine.config import Config

from mae_transfer.checkpoints.files.last_checkpoint import POINTER
from mae_transfer.data.data_block import apply_data_block
from mae_transfer.run.options import check_option
from mae_transfer.run.places import find_file
from mae_transfer.run.processes import say

ConfigLike: TypeAlias = str | os.PathLike | Config


def read_config(config: ConfigLike, options: dict) -> Config:
    """Read a config, merge `--cfg-options` and apply the data block.

    Args:
        config: See :func:`load_config`.
        options: Dotted key -> value.

    Raises:
        FileNotFoundError: The config, or a file that its data block names, does not exist.
        ValueError: An option's key or type is wrong.
    """
    cfg = load_config(config)
    merge_options(cfg, options)
    return cfg


def load_config(config: ConfigLike) -> Config:
    """Read a config without changing it.

    Args:
        config: A file, relative to the current folder or to the checkout; the work dir of a
            training run, which contains its config; or a config, of which a copy is returned.

    Raises:
        FileNotFoundError: There is no such file, or the work dir contains no config.
        ValueError: The file is not valid Python, or the work dir contains several configs.
    """
    if isinstance(config, Config):
        return copy.deepcopy(config)
    path = _dumped_config(config) if is_work_dir(config) else find_file(str(config), 'CONFIG')
    try:
        cfg = Config.fromfile(path)
    except SyntaxError as error:
        message = f'{path}, or a file in its _base_, is not valid Python: {error}'
        raise ValueError(message) from error
    if is_work_dir(config) and cfg.get('resume'):  # that run resumed, this one need not
        cfg.resume, cfg.load_from = False, None
    return cfg


def merge_options(cfg: Config, options: dict) -> None:
    """Merge `--cfg-options` into a config and apply its data block.

    Raises:
        FileNotFoundError: A file that the data block names does not exist.
        ValueError: An option's key or type is wrong.
    """
    for key, value in options.items():
        check_option(cfg, key, value)
    cfg.merge_from_dict(options)
    for line in apply_data_block(cfg, options):
        say(line)


def is_work_dir(path: ConfigLike) -> bool:
    """Return whether a path is the folder of a training run that has written a checkpoint."""
    return not isinstance(path, Config) and Path(path, POINTER).is_file()


def _dumped_config(work_dir: str | os.PathLike) -> str:
    """Find the config that MMEngine wrote to the work dir of a run."""
    found = sorted(str(path) for path in Path(work_dir).glob('*.py'))
    if not found:
        raise FileNotFoundError(f'CONFIG: the work dir {str(work_dir)!r} contains no config (*.py)')
    if len(found) > 1:
        raise ValueError(
            f'CONFIG: the work dir {str(work_dir)!r} contains several configs; give one of them: '
            f'{", ".join(found)}'
        )
    return found[0]


def config_name(cfg: Config) -> str | None:
    """Return the file name of a config without its suffix; None if it came from no file."""
    return Path(cfg.filename).stem if cfg.filename else None


def default_work_dir(cfg: Config, name: str | None) -> str:
    """Return the work dir of a training without `--work-dir`.

    Args:
        cfg: The config.
        name: Name of the config, if it has one.

    Returns:
        The config's own, or else work_dirs/<config name>.

    Raises:
        ValueError: The config has neither.
    """
    if cfg.get('work_dir'):
        return str(cfg.work_dir)
    if name is None:
        raise ValueError('work_dir=None: must name a folder, as this config has no file name')
    return str(Path('work_dirs', name))
