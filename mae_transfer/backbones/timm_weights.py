"""Finds the pre-trained weights of timm's models in the local caches, and facts about them."""

from pathlib import Path
from typing import Any

import timm
import torch
from huggingface_hub import try_to_load_from_cache
from timm.models import get_pretrained_cfg

from mae_transfer.closest import closest

TIMM = 'timm:'  # prefix of a checkpoint's name
HUB_FILES = ('model.safetensors', 'pytorch_model.bin')  # timm tries them in this order


def check_timm_name(model_name: str) -> None:
    """Refuse a name that timm does not know.

    Args:
        model_name: Architecture, with or without the tag of its weights
            ('vit_base_patch16_224.mae').

    Raises:
        ValueError: timm has no such architecture, or no such weights for it.
    """
    arch, _, tag = model_name.partition('.')
    if not timm.is_model(arch):
        hint = closest(arch, timm.list_models(), otherwise='timm.list_models() lists all')
        raise ValueError(f'model_name={model_name!r}: timm has no such architecture; {hint}')
    if tag and not timm.is_model_pretrained(model_name):
        known = timm.list_pretrained(f'{arch}.*') or ['none']
        raise ValueError(
            f'model_name={model_name!r}: timm has no such weights; for {arch} it has '
            f'{", ".join(known)}'
        )


def find_timm_weights(model_name: str) -> Path:
    """Find the file of a pre-trained model in the caches of Hugging Face and of torch.hub.

    Args:
        model_name: Architecture, with or without the tag of its weights; without a tag, timm's
            default weights.

    Returns:
        The file, safetensors or pickle.

    Raises:
        ValueError: timm has no such model, or no weights for it.
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
    url = cfg.url[0] if isinstance(cfg.url, tuple) else cfg.url  # a tuple adds the hash
    if url:
        path = Path(torch.hub.get_dir(), 'checkpoints', url.rpartition('/')[2])
        if path.is_file():
            return path
    raise FileNotFoundError(
        f'the weights of {model_name} ({cfg.hf_hub_id or url}) are not in the cache of this '
        'machine, and nothing is downloaded here: run python -c "import timm; '
        f'timm.create_model({model_name!r}, pretrained=True)" with network access, or give '
        'a local file'
    )


def _hub_files(filename: str | None) -> tuple[str, ...]:
    """List the names that the file may have in its repository, in timm's order."""
    if not filename:
        return HUB_FILES
    return (str(Path(filename).with_suffix('.safetensors')), filename)


def timm_facts(name: str) -> dict:
    """Return facts about the encoder of a timm model, from the model without weights.

    Raises:
        ValueError: If timm has no such model, or it is not a plain ViT.
    """
    check_timm_name(name)  # names may come from files: timm must not read one as a hub or a folder
    with torch.device('meta'):
        model: Any = timm.create_model(name, pretrained=False)
    try:
        block, patch_embed = model.blocks[0], model.patch_embed
        return dict(
            embed_dims=model.embed_dim,
            num_layers=len(model.blocks),
            num_heads=block.attn.num_heads,
            norm_eps=block.norm1.eps,
            act=_act_name(block.mlp.act),
            in_channels=patch_embed.proj.in_channels,
            patch_size=list(patch_embed.patch_size),
            pos_grid=list(patch_embed.grid_size),
        )
    except (AttributeError, TypeError) as error:
        raise ValueError(
            f'{TIMM}{name} is a {type(model).__name__}, which is not a plain ViT: {error}'
        ) from error


def _act_name(act: torch.nn.Module) -> str:
    """Return 'gelu' for the exact GELU, or else a name derived from the module."""
    if isinstance(act, torch.nn.GELU):
        return 'gelu' if act.approximate == 'none' else f'gelu_{act.approximate}'
    return type(act).__name__
