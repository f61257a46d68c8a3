"""First step of a transfer: from a path to named tensors, running no code that a file contains."""

import os
import pickle
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

CONTAINERS = ('state_dict', 'model', 'module', 'model_ema')  # in the order of trial
SUFFIXES = ('.pth', '.pt', '.safetensors')
METADATA_KEY = 'mae_transfer'

# Parts of names that compile, FSDP and activation checkpointing insert; DDP's stands in front only
WRAPPERS = re.compile(
    r'(?<![^.])(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.|^(module\.)+'
)

# What files of MMEngine and of MAE's code pickle besides tensors: logged numbers and arguments.
# None of it is needed here, so each name is read as a placeholder; the real thing is never called.
INERT = (
    'argparse.Namespace',
    'builtins.getattr',
    'collections.defaultdict',
    'collections.deque',
    'datetime.datetime',
    'mmengine.logging.history_buffer.HistoryBuffer',
    'numpy.core.multiarray._reconstruct',
    'numpy.core.multiarray.scalar',
    'numpy._core.multiarray._reconstruct',
    'numpy._core.multiarray.scalar',
    'numpy.dtype',
    'numpy.ndarray',
    'pathlib.PosixPath',
    'pathlib.WindowsPath',
)


class Placeholder:
    """Takes the place of a pickled object whose content is not needed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take any arguments and keep none."""

    def __setstate__(self, state: Any) -> None:
        """Take any state and keep none."""


@dataclass(frozen=True)
class CheckpointFile:
    """Named tensors of one file and what is known about them.

    Attributes:
        path: The file.
        container: Entry of the file that holds the tensors, or 'raw' when they lie at the top.
        tensors: Names without prefixes of wrappers (DDP, FSDP, compile) -> tensors on the CPU.
        metadata: What :func:`~mae_transfer.transfer.encoder_metadata.encoder_metadata` wrote.
    """

    path: Path
    container: str
    tensors: dict[str, Tensor]
    metadata: dict | None = None


def read_checkpoint(checkpoint: str | os.PathLike) -> CheckpointFile:
    """Read a checkpoint given as a file or as the work dir of a run.

    Raises:
        FileNotFoundError: If there is no such file or no checkpoint in the directory.
        ValueError: If the file is empty, truncated, of another kind, needs code to be unpickled, or
            holds no named tensors.
    """
    path = find_checkpoint(checkpoint)
    content = _read_content(path)
    container, tensors = _unwrap(path, content)
    return CheckpointFile(path, container, _strip_wrappers(path, tensors), _metadata(content))


def find_checkpoint(checkpoint: str | os.PathLike) -> Path:
    """Return the file that is meant by a path: itself, or the newest checkpoint of a work dir."""
    path = Path(checkpoint).expanduser()
    if path.is_dir():
        return _latest_in(path)
    if not path.is_file():
        raise FileNotFoundError(
            f'checkpoint={str(checkpoint)!r} does not exist: give a local checkpoint file or the '
            'work dir of a run'
        )
    return path


def _latest_in(folder: Path) -> Path:
    """Follow ``last_checkpoint``, also when the work dir was moved; else take the newest file."""
    pointer = folder / 'last_checkpoint'
    if pointer.is_file():
        name = pointer.read_text(encoding='utf-8', errors='replace').strip().replace('\\', '/')
        path = folder / name.rsplit('/', 1)[-1]
        if not path.is_file():
            raise FileNotFoundError(
                f'{pointer} names {name!r}, but {path} is not there: give the checkpoint itself'
            )
        return path
    files = [path for path in folder.iterdir() if path.is_file() and path.suffix in SUFFIXES]
    if not files:
        raise FileNotFoundError(
            f'checkpoint={str(folder)!r} is a directory without checkpoint: it holds neither '
            f'last_checkpoint nor a file ending in {", ".join(SUFFIXES)}'
        )
    return max(files, key=lambda path: (path.stat().st_mtime_ns, path.name))


def _read_content(path: Path) -> Any:
    """Load what the file holds, by the kind that its first bytes tell."""
    with path.open('rb') as stream:
        head = stream.read(8)
    if not head:
        raise ValueError(f'{path} is empty (0 bytes): the copy or the training that wrote it broke')
    if path.suffix == '.safetensors':
        return _read_safetensors(path)
    if head.startswith(b'PK'):
        if not zipfile.is_zipfile(path):
            raise ValueError(f'{path} is truncated: its end is missing; copy or download it again')
    elif not head.startswith(b'\x80\x02'):  # files of torch < 1.6 begin with pickle's protocol 2
        raise ValueError(
            f'{path} is neither a file of torch.save nor of safetensors: it begins with {head!r}'
        )
    return _read_torch(path)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f'{path} is not a whole safetensors file: {error}') from error


def _read_torch(path: Path) -> Any:
    """Call ``torch.load`` such that it builds tensors and plain containers only."""
    allowed = [(_placeholder_class(name), name) for name in _inert_names()]
    try:
        with torch.serialization.safe_globals(allowed):
            return torch.load(path, map_location='cpu', weights_only=True)
    except pickle.UnpicklingError as error:
        culprit = re.search(r'GLOBAL (\S+)|unrecognized function (.+)', str(error))
        if culprit is None:
            raise ValueError(f'{path} is damaged or was not written by torch.save') from error
        raise ValueError(
            f'{path} was refused: to read it, pickle would have to call '
            f'{culprit[1] or culprit[2]}, which can run any code. If you trust the file, save its '
            "tensors alone where it was made: torch.save({'model': model.state_dict()}, file)"
        ) from error
    except (RuntimeError, EOFError, KeyError, IndexError, TypeError, AttributeError) as error:
        reason = str(error).strip().split('\n')[0]
        raise ValueError(f'{path} is damaged or was not written by torch.save: {reason}') from error


def _inert_names() -> list[str]:
    """All names read as placeholders; numpy has a class for each dtype."""
    kinds = ('Float16', 'Float32', 'Float64', 'Int32', 'Int64', 'Bool', 'Str', 'Object')
    return [*INERT, *(f'numpy.dtypes.{kind}DType' for kind in kinds)]


def _placeholder_class(name: str) -> type[Placeholder]:
    """Make one class for each name, since torch looks classes up by identity."""
    return type(name.rsplit('.', 1)[-1], (Placeholder,), {})


def _unwrap(path: Path, content: Any) -> tuple[str, dict[str, Tensor]]:
    """Find the dict of tensors: under a container's name, else the file itself."""
    candidates = {'raw': content}
    if isinstance(content, dict):
        candidates = {name: content[name] for name in CONTAINERS if name in content} | candidates
    for container, candidate in candidates.items():
        tensors = _named_tensors(candidate)
        if tensors:
            return container, tensors
    found = f'a {type(content).__name__}'
    if isinstance(content, dict):
        found = f'a dict with the keys {sorted(map(str, content))[:10]}'
    raise ValueError(
        f'{path} holds no named tensors, neither under {", ".join(CONTAINERS)} nor at the top: it '
        f'is {found}'
    )


def _named_tensors(candidate: Any) -> dict[str, Tensor]:
    if not isinstance(candidate, dict):
        return {}
    return {k: v for k, v in candidate.items() if isinstance(k, str) and isinstance(v, Tensor)}


def _strip_wrappers(path: Path, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Remove what DDP, FSDP, compile and activation checkpointing put into names."""
    stripped = {_without_wrappers(name): tensor for name, tensor in tensors.items()}
    if len(stripped) < len(tensors):
        raise ValueError(
            f'{path} holds tensors twice, with and without the prefix of a wrapper such as '
            'module.: it mixes two models'
        )
    return stripped


def _without_wrappers(name: str) -> str:
    while (stripped := WRAPPERS.sub('', name)) != name:
        name = stripped
    return name


def _metadata(content: Any) -> dict | None:
    meta = content.get('meta') if isinstance(content, dict) else None
    block = meta.get(METADATA_KEY) if isinstance(meta, dict) else None
    return block if isinstance(block, dict) else None
