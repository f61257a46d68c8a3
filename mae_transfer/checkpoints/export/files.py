"""Writes exported tensors to a file, or to a folder with a config."""

import json
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from mae_transfer.checkpoints.files.checkpoint_file import METADATA_KEY
from mae_transfer.checkpoints.files.hugging_face import CONFIG, WEIGHTS
from mae_transfer.checkpoints.steps import Tensors
from mae_transfer.compat.atomic_write import atomic_file, write_atomically


def write_file(path: Path, tensors: Tensors, metadata: dict, container: str, extra: dict) -> None:
    """Write one file atomically, in the format that its suffix names.

    Args:
        path: Ends in '.safetensors' or '.pth'.
        tensors: Under the target's names.
        metadata: Facts in plain containers, stored with the tensors.
        container: Entry of a '.pth' file that holds the tensors.
        extra: Further entries of a '.pth' file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == '.safetensors':
        write_atomically(path, _safetensors(tensors, metadata))
        return
    tensors = {name: _compact(tensor) for name, tensor in tensors.items()}
    content = {container: tensors, 'meta': {METADATA_KEY: metadata}} | extra
    with atomic_file(path) as stream:
        torch.save(content, stream)


def write_folder(path: Path, tensors: Tensors, metadata: dict, config: dict) -> None:
    """Write a folder that ``from_pretrained`` reads; the config is last and marks it as complete.

    Args:
        path: The folder; it is created.
        tensors: Under the library's names.
        metadata: Facts in plain containers, written into the header of the weights.
        config: Content of config.json.
    """
    path.mkdir(parents=True, exist_ok=True)
    write_atomically(path / WEIGHTS[0], _safetensors(tensors, metadata))
    write_atomically(path / CONFIG, json.dumps(config, indent=2) + '\n')


def _safetensors(tensors: Tensors, metadata: dict) -> bytes:
    header = {'format': 'pt', METADATA_KEY: json.dumps(metadata)}
    return save({name: _compact(t) for name, t in tensors.items()}, metadata=header)


def _compact(tensor: Tensor) -> Tensor:
    """A copy with its own storage: torch.save writes the full storage of a view."""
    return tensor.detach().clone(memory_format=torch.contiguous_format)
