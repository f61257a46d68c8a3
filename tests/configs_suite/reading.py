"""Find the configs, load each file once, and read values out of them."""

import argparse
import copy
import functools
from pathlib import Path

from mmengine.config import Config, DictAction

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
EVERY = sorted(
    path.relative_to(CONFIGS).as_posix()
    for path in CONFIGS.rglob('*.py')
    if '_base_' not in path.parts
)
TOKENIZERS = [path for path in EVERY if Path(path).name.startswith('dvae_')]
ALL = [path for path in EVERY if path not in TOKENIZERS]  # all with a vision transformer
FULL = [path for path in ALL if not path.startswith('demo/')]  # recipes of publications


@functools.cache
def _read(path: str) -> Config:
    return Config.fromfile(CONFIGS / path)


def load(path: str) -> Config:
    """A copy of a config, to read or to change; its file is read once in a test session."""
    return copy.deepcopy(_read(path))


def cfg_options(*options: str) -> dict[str, object]:
    """What `--cfg-options` makes of words like 'model.neck.num_layers=2'."""
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    return parser.parse_args(['--cfg-options', *options]).cfg_options


def lookup(cfg: Config, key: str) -> object:
    """Value of a dotted key; a transform of a pipeline is named by its type."""
    node = cfg
    for name in key.split('.'):
        if isinstance(node, list | tuple) and name.isdigit():
            node = node[int(name)]
        elif isinstance(node, list | tuple):
            (node,) = (step for step in node if step['type'] == name)
        else:
            node = node[name]
    return node


def states(cfg: Config, key: str) -> bool:
    """Whether a config states a dotted key, with a value that is not None."""
    try:
        return lookup(cfg, key) is not None
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):  # another model
        return False


def plain(value: object) -> object:
    """Tuples and config dicts as lists and dicts, to compare values and not containers."""
    if isinstance(value, dict):
        return {key: plain(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [plain(child) for child in value]
    return value
