"""Keeps the texts of configs in checkpoints from being run.

A config file is Python, and MMEngine saves its text in every checkpoint. ``Runner.resume`` runs
``meta['config']``, MMEngine's inferencers run ``meta['cfg']``: whoever wrote the file could have
any code run, past every check of the pickle. Here the reader takes out the one text and notes the
other, which stays to be looked at, and ``Config.fromstring`` refuses every text that was noted.
"""

import hashlib
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log

_noted: dict[bytes, str] = {}  # digest of a text -> the file that it came with


def guard_config_texts(path: str, content: Any) -> None:
    """Take ``meta['config']`` out of the content of a checkpoint; note other texts of configs.

    Args:
        path: The file.
        content: What was read from it, changed in place.
    """
    if not isinstance(content, dict):
        return
    meta = content.get('meta')
    if isinstance(meta, dict):
        if 'config' in meta:
            _note(path, meta.pop('config'))
            print_log(
                f"meta['config'] in {path} is left out: MMEngine would run this text as Python, "
                'and configs in checkpoints are never run',
                logger='current',
            )
        _note(path, meta.get('cfg'))
    hub = content.get('message_hub')
    info = hub.get('runtime_info') if isinstance(hub, dict) else None
    if isinstance(info, dict):
        _note(path, info.get('cfg'))


def _note(path: str, text: Any) -> None:
    if isinstance(text, str) and text.strip():
        _noted[_digest(text)] = path


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode('utf-8', 'surrogatepass')).digest()


def _fromstring(cfg_str: str, file_format: str) -> Config:
    """Read a config from a text that did not come with a checkpoint.

    Raises:
        ValueError: It did: the text would be run.
    """
    path = _noted.get(_digest(cfg_str)) if isinstance(cfg_str, str) else None
    if path is not None:
        raise ValueError(
            f'the config in the checkpoint {path} is refused: configs are Python, and reading this '
            'one would run it; look at it, write it to a file of your own, and give that file'
        )
    return _read(cfg_str, file_format)


_read = Config.fromstring


def install() -> None:
    """Replace ``Config.fromstring``; a second call has no effect."""
    Config.fromstring = staticmethod(_fromstring)
