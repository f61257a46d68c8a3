"""Reads named tensors from a path or a timm name, with the facts that the file states about them.

``compat.safe_load`` reads the bytes safely.
"""

import json
import os
import re
from argparse import Namespace
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mae_transfer.backbones.timm_weights import TIMM, find_timm_weights
from mae_transfer.checkpoints.files import hugging_face
from mae_transfer.checkpoints.files.last_checkpoint import OF_A_STEP, POINTER, last_checkpoint
from mae_transfer.checkpoints.files.metadata import check_metadata
from mae_transfer.compat.safe_load import SAFETENSORS_HEADER, Placeholder, read_content

CONTAINERS = ('state_dict', 'model', 'module', 'model_ema', 'teacher')  # tried in this order
SUFFIXES = ('.pth', '.pt', '.bin', '.pkl', '.safetensors')
METADATA_KEY = 'mae_transfer'

# Parts of names that compile, FSDP and activation checkpointing insert; DDP only adds a prefix
WRAPPERS = re.compile(
    r'(?<![^.])(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.|^(module\.)+'
)


@dataclass(frozen=True)
class CheckpointFile:
    """Named tensors of one file and what is known about them.

    Attributes:
        path: The file.
        container: Entry of the file that holds the tensors, or 'raw' if they are at the top level.
        tensors: Names without prefixes of wrappers (DDP, FSDP, compile) -> tensors on the CPU.
        metadata: What :meth:`~mae_transfer.backbones.plain_vit.PlainViT.metadata` wrote.
        config: Content of config.json next to the file (Hugging Face, timm), or, for ``timm:NAME``,
            the name as 'architecture'.
        arguments: The training command line, if the file contains one (MAE, CAE).
    """

    path: Path
    container: str
    tensors: dict[str, Tensor]
    metadata: dict | None = None
    config: dict | None = None
    arguments: dict = field(default_factory=dict)


def read_checkpoint(checkpoint: str | os.PathLike, trust: bool | None = None) -> CheckpointFile:
    """Read a checkpoint.

    Args:
        checkpoint: A file; the work dir of a run; a folder of Hugging Face's library; or
            'timm:NAME', the cached weights of a timm model.
        trust: Whether code in the file may run if it cannot be read otherwise; None asks the
            environment variable, see :mod:`~mae_transfer.compat.safe_load`.

    Raises:
        FileNotFoundError: If there is no such file or no checkpoint in the directory.
        ValueError: If the file is empty, truncated, of another kind, needs code to be unpickled, or
            contains no named tensors.
    """
    path = find_checkpoint(checkpoint)
    config = hugging_face.read_config(path)
    if str(checkpoint).startswith(TIMM):
        config = {'architecture': str(checkpoint).removeprefix(TIMM)}
    if path.name.endswith(hugging_face.INDEX_SUFFIX):
        content = hugging_face.read_shards(path, trust)
    else:
        content = read_content(path, trust)
    return interpret_content(path, content, config)


def interpret_content(path: Path, content: Any, config: dict | None = None) -> CheckpointFile:
    """Find the named tensors in the content of a file, and what it states about them.

    Args:
        path: The file.
        content: What :func:`~mae_transfer.compat.safe_load.read_content` read from it.
        config: Content of config.json next to it.

    Raises:
        ValueError: If it contains no named tensors, or not those that it declares.
    """
    if isinstance(content, nn.Module):  # of a trusted file
        content = content.state_dict()
    container, tensors = _unwrap(path, content)
    tensors = _strip_wrappers(path, tensors)
    return CheckpointFile(
        path, container, tensors, stated_metadata(path, content), config, _arguments(content)
    )


def find_checkpoint(checkpoint: str | os.PathLike) -> Path:
    """Return the file itself, or the newest checkpoint in a work dir or folder."""
    if str(checkpoint).startswith(TIMM):
        return find_timm_weights(str(checkpoint).removeprefix(TIMM))
    path = Path(checkpoint).expanduser()
    if path.is_dir():
        return _latest_in(path)
    if not path.is_file():
        raise FileNotFoundError(
            f'checkpoint={str(checkpoint)!r} does not exist: give a local checkpoint file, the '
            "work dir of a run, a folder of Hugging Face's library or timm:NAME"
        )
    return path


def _latest_in(folder: Path) -> Path:
    """Take a run's newest whole checkpoint, or else the library's or the newest file."""
    of_a_run = any(OF_A_STEP.fullmatch(path.name) for path in folder.iterdir())
    if of_a_run or (folder / POINTER).is_file():
        return last_checkpoint(folder)
    weights = hugging_face.find_weights(folder)
    if weights is not None:
        return weights
    files = [path for path in folder.iterdir() if path.is_file() and path.suffix in SUFFIXES]
    if not files:
        raise FileNotFoundError(
            f'checkpoint={str(folder)!r} is a directory without a checkpoint: it contains neither '
            f'{POINTER} nor a file ending in {", ".join(SUFFIXES)}'
        )
    return max(files, key=lambda path: (path.stat().st_mtime_ns, path.name))


def _unwrap(path: Path, content: Any) -> tuple[str, dict[str, Tensor]]:
    """Find the dict of tensors: under a container's name, or else at the top level."""
    candidates = {'raw': content}
    if isinstance(content, dict):
        candidates = {name: content[name] for name in CONTAINERS if name in content} | candidates
    for container, candidate in candidates.items():
        tensors = _named_tensors(candidate)
        if tensors:
            _check_storage(path, tensors)
            return container, tensors
    found = f'a {type(content).__name__}'
    if isinstance(content, dict):
        found = f'a dict with the keys {sorted(map(str, content))[:10]}'
    raise ValueError(
        f'{path} contains no named tensors, neither under {", ".join(CONTAINERS)} nor at the top '
        f'level: it is {found}'
    )


def _named_tensors(candidate: Any) -> dict[str, Tensor]:
    if not isinstance(candidate, dict):
        return {}
    return {k: v for k, v in candidate.items() if isinstance(k, str) and isinstance(v, Tensor)}


def _check_storage(path: Path, tensors: dict[str, Tensor]) -> None:
    """Refuse shapes that declare more data than is stored: a copy could exhaust the memory."""
    for name, tensor in tensors.items():
        if tensor.layout != torch.strided or tensor.is_meta or tensor.is_quantized:
            raise ValueError(f'{path}: {name!r} is sparse, quantized or has no data')
        declared = tensor.numel() * tensor.element_size()
        held = tensor.untyped_storage().nbytes()
        if declared > held:
            raise ValueError(
                f'{path}: {name!r} declares the shape {tuple(tensor.shape)}, {declared} bytes, but '
                f'holds {held}'
            )


def _strip_wrappers(path: Path, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Remove what DDP, FSDP, compile and activation checkpointing add to names."""
    stripped = {without_wrappers(name): tensor for name, tensor in tensors.items()}
    if len(stripped) < len(tensors):
        raise ValueError(
            f'{path} contains tensors twice, with and without the prefix of a wrapper such as '
            'module.: it mixes two models'
        )
    return stripped


def without_wrappers(name: str) -> str:
    """Remove what DDP, FSDP, compile and activation checkpointing add to a name."""
    while (stripped := WRAPPERS.sub('', name)) != name:
        name = stripped
    return name


def stated_metadata(path: Path, content: Any) -> dict | None:
    """Find our metadata in the content of a file.

    It is ``meta['mae_transfer']``, or JSON of that name in a safetensors header.

    Raises:
        ValueError: If it exists but is not in the form that we write.
    """
    content = content if isinstance(content, dict) else {}
    if METADATA_KEY in content.get(SAFETENSORS_HEADER, {}):
        try:
            block = json.loads(content[SAFETENSORS_HEADER][METADATA_KEY])
        except ValueError as error:
            raise ValueError(f'{path}: its metadata is not valid JSON: {error}') from error
    elif isinstance(content.get('meta'), dict) and METADATA_KEY in content['meta']:
        block = content['meta'][METADATA_KEY]
    else:
        return None
    try:
        check_metadata(block)
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from error
    return block


def _arguments(content: Any) -> dict:
    """Read the command line that MAE's, CAE's and DINO's scripts save with the weights."""
    args = content.get('args') if isinstance(content, dict) else None
    state = args.state if isinstance(args, Placeholder) else args
    state = vars(state) if isinstance(state, Namespace) else state
    if not isinstance(state, dict):
        return {}
    plain = (bool, int, float, str, type(None))
    return {name: value for name, value in state.items() if isinstance(value, plain)}
