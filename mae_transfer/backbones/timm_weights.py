"""Pre-trained weights of timm by name: found where timm keeps them, never downloaded."""

import difflib
from pathlib import Path

import timm
import torch
from huggingface_hub import try_to_load_from_cache
from timm.models import get_pretrained_cfg

HUB_FILES = ('model.safetensors', 'pytorch_model.bin')  # in the order in which timm tries them


def check_timm_name(model_name: str) -> None:
    """Refuse a name that timm does not know.

    Args:
        model_name: Architecture, with or without the tag of its weights
            ('vit_base_patch16_224.mae').

    Raises:
        ValueError: timm has no such architecture, or not these weights of it.
    """
    arch, _, tag = model_name.partition('.')
    if not timm.is_model(arch):
        near = difflib.get_close_matches(arch, timm.list_models(), n=3, cutoff=0.5)
        hint = f'the closest are {", ".join(near)}' if near else 'timm.list_models() lists them'
        raise ValueError(f'model_name={model_name!r}: timm has no such architecture; {hint}')
    if tag and not timm.is_model_pretrained(model_name):
        known = timm.list_pretrained(f'{arch}.*') or ['none']
        raise ValueError(
            f'model_name={model_name!r}: timm has no such weights; of {arch} it has '
            f'{", ".join(known)}'
        )


def find_timm_weights(model_name: str) -> Path:
    """Find the file of a pre-trained model in the caches of Hugging Face and of torch.hub.

    Args:
        model_name: Architecture, with or without the tag of its weights; without it, the weights
            are those that timm prefers.

    Returns:
        A ``.safetensors`` or pickle file.

    Raises:
        ValueError: timm does not know the name, or has no weights for it.
        FileNotFoundError: The weights are not on this machine.
    """
    check_timm_name(model_name)
    cfg = get_pretrained_cfg(model_name)
    if cfg is None or not cfg.has_weights:
        raise ValueError(f'model_name={model_name!r}: timm has no pre-trained weights for it')
    if cfg.hf_hub_id:
        repo, _, revision = cfg.hf_hub_id.partition('@')
        for name in _hub_files(cfg.hf_hub_filename):
            path = try_to_load_from_cache(repo, name, revision=revision or None)
            if isinstance(path, str):
                return Path(path)
    if cfg.url:
        path = Path(torch.hub.get_dir(), 'checkpoints', cfg.url.rpartition('/')[2])
        if path.is_file():
            return path
    raise FileNotFoundError(
        f'the weights of {model_name} ({cfg.hf_hub_id or cfg.url}) are not in the cache of this '
        'machine, and nothing is downloaded here: run python -c "import timm; '
        f'timm.create_model({model_name!r}, pretrained=True)" where there is a network, or give '
        'a local file'
    )


def _hub_files(filename: str | None) -> tuple[str, ...]:
    """Names of the file in its repository, safetensors first, as timm looks for them."""
    if not filename:
        return HUB_FILES
    return (str(Path(filename).with_suffix('.safetensors')), filename)
