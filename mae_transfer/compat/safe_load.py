"""Reads checkpoints into tensors and plain containers without running code that they contain.

A file that cannot be read without running code is refused, unless the user trusts it, by the tools'
``--trust-checkpoint`` or the environment variable ``MAE_TRANSFER_TRUST_CHECKPOINT=1``.
"""

import functools
import os
import pickle
import re
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import print_log
from safetensors import SafetensorError, safe_open

from mae_transfer.compat.pickle_names import NUMPY_NAMES, ArrayUnpickler, ForeignNameError

TRUST_VARIABLE = 'MAE_TRANSFER_TRUST_CHECKPOINT'
SAFETENSORS_HEADER = '__metadata__'  # key of a safetensors file's texts in the content

TORCH_LEGACY = b'\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.'  # torch.save before version 1.6
PICKLES = tuple(b'\x80' + bytes([protocol]) for protocol in (2, 3, 4, 5))
LFS_POINTER = b'version https://git-lfs'

# Objects that MMEngine and MAE's code pickle besides tensors: logged numbers and arguments. None is
# needed here, so each is replaced by a placeholder; the real one is never called.
INERT = (
    'argparse.Namespace',
    'builtins.getattr',
    'builtins.slice',
    'collections.defaultdict',
    'collections.deque',
    'datetime.datetime',
    'mmengine.logging.history_buffer.HistoryBuffer',
    'pathlib.PosixPath',
    'pathlib.WindowsPath',
    *NUMPY_NAMES,
)


class Placeholder:
    """Replaces a pickled object that is not needed; keeps its state as data.

    Attributes:
        state: The object's pickled state, made of plain containers; None if it has none.
    """

    state: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Ignore all arguments."""

    def __setstate__(self, state: Any) -> None:
        """Keep the state unchanged."""
        self.state = state


def trusts_checkpoints() -> bool:
    """Return whether the user allowed checkpoints to run code.

    Raises:
        ValueError: If the environment variable is neither '', '0' nor '1'.
    """
    value = os.environ.get(TRUST_VARIABLE, '')
    if value not in ('', '0', '1'):
        raise ValueError(f'{TRUST_VARIABLE}={value!r}: must be 1 (run code of checkpoints) or 0')
    return value == '1'


def read_content(
    path: Path,
    trust: bool | None = None,
    allowed: Sequence[tuple[Any, str]] | None = None,
    map_location: Any = 'cpu',
) -> Any:
    """Load the content of a file, whose first bytes determine its kind.

    Args:
        path: A file of safetensors, of torch.save, or a pickle of NumPy arrays.
        trust: Whether code in the file may run if it cannot be read otherwise; None asks
            :func:`trusts_checkpoints`.
        allowed: Replacement of each allowed pickled name; placeholders by default.
        map_location: See torch.load; it applies to files of torch.save only.

    Returns:
        The content. Tensors of a safetensors file come as a dict, with the texts of its header, if
        any, under ``__metadata__``.

    Raises:
        ValueError: If the file is empty, truncated, of another kind, or cannot be read without
            running code.
    """
    with path.open('rb') as stream:
        head = stream.read(len(LFS_POINTER))
    if not head:
        raise ValueError(f'{path} is empty (0 bytes): the copy or training that wrote it failed')
    if path.suffix == '.safetensors':
        return _read_safetensors(path)
    if head.startswith(LFS_POINTER):
        raise ValueError(f'{path} is a Git LFS pointer, not the file: run git lfs pull')
    if head.startswith(b'PK'):
        _check_zip(path)
    elif head.startswith(PICKLES) and not head.startswith(TORCH_LEGACY):
        return _read_array_pickle(path, trust)
    elif not head.startswith(TORCH_LEGACY):
        raise ValueError(
            f'{path} is neither a file of torch.save nor of safetensors: it begins with '
            f'{head[:8]!r}'
        )
    return read_torch(path, allowed or _placeholders(), map_location, trust)


def _read_safetensors(path: Path) -> dict[str, Any]:
    try:
        with safe_open(path, framework='pt') as file:
            content = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            texts = file.metadata()
    except SafetensorError as error:
        raise ValueError(f'{path} is not a complete safetensors file: {error}') from error
    return content | ({SAFETENSORS_HEADER: texts} if texts else {})


def _check_zip(path: Path) -> None:
    """Refuse, before unpacking, archives that torch.save cannot have written."""
    if not zipfile.is_zipfile(path):
        raise ValueError(f'{path} is truncated: its end is missing; copy or download it again')
    try:
        with zipfile.ZipFile(path) as archive:
            packed = [info.filename for info in archive.infolist() if info.compress_type]
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
        raise ValueError(f'{path} is damaged: {error}; copy or download it again') from error
    if any('/code/' in name for name in names):
        raise ValueError(
            f'{path} is a TorchScript program, not weights: save the state_dict() of its module'
        )
    if packed:
        raise ValueError(
            f'{path} is a compressed archive ({packed[0]!r}), which torch.save does not write: '
            'unpack it and give the file in it'
        )


def read_torch(
    path: str | os.PathLike,
    allowed: Sequence[tuple[Any, str]],
    map_location: Any = 'cpu',
    trust: bool | None = None,
) -> Any:
    """Call ``torch.load`` so that it builds only tensors, plain containers and ``allowed``.

    Args:
        path: A file of torch.save.
        allowed: Replacement of each allowed pickled name.
        map_location: See torch.load.
        trust: See :func:`read_content`.

    Raises:
        ValueError: If the file is damaged or cannot be read without running code.
    """
    path = Path(path)
    load = functools.partial(torch.load, path, map_location=map_location)
    try:
        with torch.serialization.safe_globals([*allowed]):
            return load(weights_only=True)
    except pickle.UnpicklingError as error:
        culprit = re.search(r'GLOBAL (\S+)|unrecognized function (.+)|but got (.+)', str(error))
        if culprit is None:
            raise ValueError(f'{path} is damaged or was not written by torch.save') from error
        name = next(group for group in culprit.groups() if group)
        _check_trust(path, name, trust, error)
        return _run_pickle(path, functools.partial(load, weights_only=False))
    except (
        RuntimeError, EOFError, OSError, LookupError, TypeError, AttributeError, ValueError,
        MemoryError,
    ) as error:  # fmt: skip
        reason = str(error).strip().split('\n')[0]
        raise ValueError(f'{path} is damaged or was not written by torch.save: {reason}') from error


def _check_trust(path: Path, name: str, trust: bool | None, error: Exception | None) -> None:
    """Warn if the user trusts the file; otherwise refuse it and explain why."""
    if trusts_checkpoints() if trust is None else trust:
        print_log(
            f'WARNING: {path} is trusted: reading it calls {name}, which can run arbitrary code',
            logger='current',
        )
        return
    raise ValueError(
        f'{path} was refused: to read it, pickle would have to call {name}, which can run '
        "arbitrary code. Save only its tensors where it was made (torch.save({'model': "
        'model.state_dict()}, file)); or, if you trust its author as you trust a program, allow it '
        f'with --trust-checkpoint or {TRUST_VARIABLE}=1'
    ) from error


def _run_pickle(path: Path, load: Callable[[], Any]) -> Any:
    """Read a trusted file; the names in it must be importable."""
    try:
        return load()
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f'{path} is trusted, but names in it cannot be imported here: {error}'
        ) from error


def _placeholders() -> list[tuple[type, str]]:
    """Create a class for each name, as torch distinguishes allowed objects by identity."""
    return [(type(name.rsplit('.', 1)[-1], (Placeholder,), {}), name) for name in INERT]


def _read_array_pickle(path: Path, trust: bool | None) -> Any:
    """Read a pickle without torch's container, as in detectron2's zoo; arrays become tensors."""
    try:
        with path.open('rb') as stream:
            content = ArrayUnpickler(stream).load()
    except ForeignNameError as error:
        _check_trust(path, str(error), trust, None)
        content = _run_pickle(path, lambda: pickle.loads(path.read_bytes()))
    except (
        pickle.UnpicklingError, EOFError, LookupError, TypeError, AttributeError, ValueError,
        MemoryError, OverflowError, RecursionError,
    ) as error:  # fmt: skip
        reason = str(error).strip().split('\n')[0]
        raise ValueError(f'{path} is a damaged pickle: {reason}') from error
    return _arrays_to_tensors(content)


def _arrays_to_tensors(content: Any, depth: int = 3) -> Any:
    """Turn arrays of numbers into tensors, in up to ``depth`` nested dicts."""
    if isinstance(content, np.ndarray) and content.dtype.kind in 'fiub':
        # torch supports only this machine's byte order. reshape: a scalar array became 1-D.
        array = np.ascontiguousarray(content)
        return torch.from_numpy(array.astype(array.dtype.newbyteorder('='))).reshape(content.shape)
    if isinstance(content, dict) and depth:
        return {key: _arrays_to_tensors(value, depth - 1) for key, value in content.items()}
    return content
