"""Reads checkpoints into tensors and plain containers without running code that they contain.

A file that cannot be read without running code is refused, unless the user trusts it, by the tools'
``--trust-checkpoint`` or the environment variable ``MAE_TRANSFER_TRUST_CHECKPOINT=1``.
"""

import functools
import os
import pickle
import re
import zipfile
from argparse import Namespace
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import print_log
from safetensors import SafetensorError, safe_open
from torch import Tensor

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


MAX_DEPTH = 100  # containers inside each other; checkpoints have about ten


class UntrustedError(ValueError):
    """A file cannot be read without running code that it contains."""


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
        UntrustedError: If it cannot be read without running code.
        ValueError: If the file is empty, damaged, truncated, or of another kind.
    """
    content = _read_by_kind(path, trust, allowed, map_location)
    _strip_attributes(path, content)
    return content


def read_structure(path: Path) -> Any:
    """Read the plain containers of a file of torch.save quickly; its tensors may be damaged.

    Args:
        path: The file; a file of another kind is read whole.

    Raises:
        UntrustedError: If it cannot be read without running code.
        ValueError: If even its structure is damaged.
    """
    if not zipfile.is_zipfile(path):
        return read_content(path)
    content = read_torch(path, _placeholders(), mmap=True)
    _strip_attributes(path, content)
    return content


def _read_by_kind(
    path: Path, trust: bool | None, allowed: Sequence[tuple[Any, str]] | None, map_location: Any
) -> Any:
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
    """Refuse, before unpacking, archives that torch.save has not written, or that changed since.

    torch.save writes the CRC-32 of each entry, so of all tensors and of the structure, but not all
    of its releases compare it when they read.
    """
    if not zipfile.is_zipfile(path):
        raise ValueError(f'{path} is truncated: its end is missing; copy or download it again')
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            changed = None
            packed = [info.filename for info in entries if info.compress_type]
            # All zero: torch.serialization.set_crc32_options(False) in the program that wrote it.
            if not packed and any(info.CRC for info in entries):
                changed = archive.testzip()
    # What zipfile raises for a directory of random bytes is not only its own errors.
    except Exception as error:
        raise ValueError(f'{path} is damaged: {error}; copy or download it again') from error
    if any('/code/' in info.filename for info in entries):
        raise ValueError(
            f'{path} is a TorchScript program, not weights: save the state_dict() of its module'
        )
    if packed:
        raise ValueError(
            f'{path} is a compressed archive ({packed[0]!r}), which torch.save does not write: '
            'unpack it and give the file in it'
        )
    if changed:
        raise ValueError(
            f'{path} is damaged: the checksum of its entry {changed!r} is wrong; copy or download '
            'it again'
        )


def read_torch(
    path: str | os.PathLike,
    allowed: Sequence[tuple[Any, str]],
    map_location: Any = 'cpu',
    trust: bool | None = None,
    mmap: bool = False,
) -> Any:
    """Call ``torch.load`` so that it builds only tensors, plain containers and ``allowed``.

    Args:
        path: A file of torch.save.
        allowed: Replacement of each allowed pickled name.
        map_location: See torch.load.
        trust: See :func:`read_content`.
        mmap: Whether to read tensors only once they are used.

    Raises:
        UntrustedError: If it cannot be read without running code.
        ValueError: If the file is damaged.
    """
    path = Path(path)
    load = functools.partial(torch.load, path, map_location=map_location, mmap=mmap)
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
    except torch.cuda.OutOfMemoryError:
        raise
    # Hostile bytes can make any step of reading fail in any way.
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).split('\n')[0]
        raise ValueError(f'{path} is damaged or was not written by torch.save: {reason}') from error


def _check_trust(path: Path, name: str, trust: bool | None, error: Exception | None) -> None:
    """Warn if the user trusts the file; otherwise refuse it and explain why.

    Raises:
        UntrustedError: The user does not trust it.
    """
    if trusts_checkpoints() if trust is None else trust:
        print_log(
            f'WARNING: {path} is trusted: reading it calls {name}, which can run arbitrary code',
            logger='current',
        )
        return
    raise UntrustedError(
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
    except Exception as error:  # see read_torch
        reason = (str(error).strip() or type(error).__name__).split('\n')[0]
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


def _strip_attributes(path: Path, content: Any) -> None:
    """Remove attributes that a pickle gave to tensors and containers, in place.

    An attribute of a file named like a method, such as ``items``, would be called instead of it.
    ``_metadata``, which ``state_dict()`` returns, stays if it is what it should be.

    Raises:
        ValueError: Containers are nested so deep that walking through them can exhaust the stack.
    """
    seen: set[int] = set()
    pending: list[tuple[Any, int]] = [(content, 0)]
    while pending:
        value, depth = pending.pop()
        if isinstance(value, dict):
            inside = [*value, *value.values()]
        elif isinstance(value, list | tuple | set | frozenset | deque):
            inside = list(value)
        elif isinstance(value, Namespace | Placeholder):
            inside = list(vars(value).values())
        elif isinstance(value, Tensor):
            vars(value).clear()
            continue
        else:
            continue
        if id(value) in seen:
            continue
        seen.add(id(value))
        if depth > MAX_DEPTH:
            raise ValueError(f'{path} is no checkpoint: its containers are nested too deep')
        if isinstance(value, OrderedDict):
            metadata = vars(value).get('_metadata')
            vars(value).clear()
            if isinstance(metadata, dict) and all(isinstance(m, dict) for m in metadata.values()):
                value._metadata = metadata  # type: ignore[attr-defined]
                inside.append(metadata)
        pending += [(item, depth + 1) for item in inside]
