"""Lets any config inherit from ours: ``_base_ = 'mae_transfer::detection/NAME.py'``.

MMEngine has a list of the packages that ship configs, and adds the package's scope to all parts of
an inherited config. Ours are written for the scopes of MMDetection, MMSegmentation and MMPretrain,
so no scope is added: an inherited config equals the file it comes from.
"""

from pathlib import Path

from mmengine.config import Config
from mmengine.config.utils import MODULE2PACKAGE

NAME = 'mae_transfer'
CONFIGS = Path(__file__).resolve().parents[1] / '.mim' / 'configs'

_find_config = Config._get_cfg_path


def find_config(cfg_path: str, filename: str) -> tuple[str, str | None]:
    """Find a config that ``_base_`` names.

    Args:
        cfg_path: Path relative to ``filename``, or PACKAGE::PATH.
        filename: The config that inherits.

    Returns:
        The path, and the scope to add to its parts; None adds none.
    """
    package, separator, path = cfg_path.partition('::')
    if separator and package == NAME:
        return str(CONFIGS / path), None
    return _find_config(cfg_path, filename)


def install() -> None:
    """Add this package to those whose configs MMEngine finds. Calling it again has no effect."""
    MODULE2PACKAGE[NAME] = NAME  # for mmengine.hub.get_config
    Config._get_cfg_path = staticmethod(find_config)
