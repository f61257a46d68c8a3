"""Makes MMEngine read checkpoints without running code that they contain.

MMEngine uses unrestricted pickle if a file needs it, and runs a config in it. ``install`` replaces
its readers of local files, web addresses and object stores, which ``load_from``, ``resume`` and
``Pretrained`` use.
"""

import os
import tempfile
from argparse import Namespace
from collections import defaultdict, deque
from datetime import datetime
from pathlib import Path, PosixPath
from pickle import UnpicklingError
from typing import Any
from urllib.parse import urlparse

import torch
from mmengine.dist import barrier, get_dist_info
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader, checkpoint

from mae_transfer.compat.checkpoint_paths import keep_own_paths
from mae_transfer.compat.config_text import guard_config_texts
from mae_transfer.compat.pickle_names import NUMPY_NAMES
from mae_transfer.compat.safe_load import SAFETENSORS_HEADER, read_content


def _history_method(owner: Any, name: str) -> Any:
    """Replace ``getattr``, which a file needs only for the methods of a HistoryBuffer."""
    methods = ('current', 'max', 'mean', 'min')
    if owner is not HistoryBuffer or name not in methods:
        raise UnpicklingError(f'GLOBAL builtins.getattr({owner!r}, {name!r})')
    return getattr(HistoryBuffer, name)


def allowed_objects() -> list[tuple[Any, str]]:
    """List the plain containers in MMEngine's checkpoints, with their names in pickles."""
    allowed = [
        (HistoryBuffer, 'mmengine.logging.history_buffer.HistoryBuffer'),
        (_history_method, 'builtins.getattr'),
        (PosixPath, 'pathlib.PosixPath'),
        *((value, name) for name, value in NUMPY_NAMES.items()),
    ]
    plain = (Namespace, datetime, defaultdict, deque, slice)
    return allowed + [(kind, f'{kind.__module__}.{kind.__qualname__}') for kind in plain]


def load_from_local(filename: str, map_location: Any = None) -> Any:
    """Read a local checkpoint of MMEngine or of safetensors.

    MMEngine takes every entry of a dict without ``state_dict`` for a tensor, so the tensors of a
    safetensors file with a header go there, and its texts stay beside them.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, of another kind, or cannot be read without running code.
    """
    path = Path(filename).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f'there is no checkpoint {filename!r}')
    content = read_content(path, allowed=allowed_objects(), map_location=map_location)
    _check_kinds(path, content)
    guard_config_texts(filename, content)
    keep_own_paths(path, content)
    if isinstance(content, dict) and SAFETENSORS_HEADER in content:
        texts = content.pop(SAFETENSORS_HEADER)
        return {'state_dict': content, SAFETENSORS_HEADER: texts}
    return content


def _check_kinds(path: Path, content: Any) -> None:
    """Refuse what hooks could not look into."""
    if not isinstance(content, dict):
        raise ValueError(f'{path} is no checkpoint: it holds a {type(content).__name__}')
    meta = content.get('meta')
    if not isinstance(meta, dict | None):
        raise ValueError(f"{path} is no checkpoint: its entry 'meta' is a {type(meta).__name__}")


def load_from_http(
    filename: str, map_location: Any = None, model_dir: str | None = None, progress: bool = True
) -> Any:
    """Download a checkpoint to torch.hub's cache, unless it is there, and read it from there."""
    folder = Path(model_dir or Path(torch.hub.get_dir(), 'checkpoints'))
    path = folder / Path(urlparse(filename).path).name
    rank, _ = get_dist_info()
    if rank == 0 and not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(filename, str(path), progress=progress)
    barrier()
    return load_from_local(str(path), map_location)


def load_from_stream(file: Any, map_location: Any = None, weights_only: bool | None = None) -> Any:
    """Read a checkpoint from a path or from bytes in memory, as MMEngine does for object stores.

    Args:
        file: A path or a binary stream.
        map_location: See torch.load.
        weights_only: Ignored: code runs only if the user allows it.
    """
    if isinstance(file, str | os.PathLike):
        return load_from_local(os.fspath(file), map_location)
    with tempfile.NamedTemporaryFile(suffix='.pth') as copy:
        copy.write(file.read())
        copy.flush()
        return load_from_local(copy.name, map_location)


def install() -> None:
    """Replace MMEngine's readers of local files, of web addresses and of object stores."""
    register = CheckpointLoader.register_scheme
    register(prefixes='', loader=load_from_local, force=True)
    register(prefixes=('http://', 'https://'), loader=load_from_http, force=True)
    checkpoint._safe_torch_load = load_from_stream  # s3://, petrel:// and pavi:// look it up here
    checkpoint.load_from_http = load_from_http  # torchvision:// and open-mmlab:// look it up here
