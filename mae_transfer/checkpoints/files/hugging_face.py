"""Reads folders of Hugging Face's libraries: weights, sharded or not, and config.json."""

import json
from pathlib import Path
from typing import Any

from mae_transfer.compat.safe_load import SAFETENSORS_HEADER, read_content

CONFIG = 'config.json'
WEIGHTS = ('model.safetensors', 'pytorch_model.bin')  # the format without code first
INDEX_SUFFIX = '.index.json'


def find_weights(folder: Path) -> Path | None:
    """Return the weights file of a folder, or the index of its shards; None if there is none."""
    names = [name + suffix for name in WEIGHTS for suffix in ('', INDEX_SUFFIX)]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def read_config(weights: Path) -> dict | None:
    """Read config.json next to a weights file that has one of the library's names.

    Raises:
        ValueError: If it is not a JSON object.
    """
    path = weights.parent / CONFIG
    if weights.name.removesuffix(INDEX_SUFFIX) not in WEIGHTS or not path.is_file():
        return None
    return _read_json(path)


def read_shards(index: Path, trust: bool | None = None) -> dict[str, Any]:
    """Read all shards listed in an index into one dict of tensors.

    Raises:
        FileNotFoundError: If a shard does not exist.
        ValueError: If the index is damaged, names a file elsewhere, or a shard lacks a tensor.
    """
    places = _read_json(index).get('weight_map')
    if not isinstance(places, dict) or not all(isinstance(file, str) for file in places.values()):
        raise ValueError(f'{index} has no weight_map: it is not an index of shards')
    tensors: dict[str, Any] = {}
    for file in sorted(set(places.values())):
        shard = index.parent / file
        if Path(file).name != file:
            raise ValueError(f'{index} names {file!r}, which is not a file of its own folder')
        if not shard.is_file():
            raise FileNotFoundError(f'{index} names the shard {file!r}, but {shard} does not exist')
        content = read_content(shard, trust)
        content.pop(SAFETENSORS_HEADER, None)
        tensors |= content
    absent = sorted(places.keys() - tensors.keys())
    if absent:
        raise ValueError(f'{index} lists {len(absent)} tensors that no shard has: {absent[:10]}')
    return tensors


def _read_json(path: Path) -> dict:
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise ValueError(f'{path} is not valid JSON: {error}') from error
    if not isinstance(content, dict):
        raise ValueError(f'{path} contains a {type(content).__name__}, not an object with keys')
    return content


def config_facts(config: dict) -> dict:
    """Collect the facts about the encoder that a model's config.json states."""
    named = {
        'hidden_size': 'embed_dims',
        'num_hidden_layers': 'num_layers',
        'num_attention_heads': 'num_heads',
        'layer_norm_eps': 'norm_eps',
        'hidden_act': 'act',
        'num_channels': 'in_channels',
        'norm_pix_loss': 'norm_pix',
    }
    facts = {ours: config[theirs] for theirs, ours in named.items() if theirs in config}
    if isinstance(config.get('patch_size'), int):
        facts['patch_size'] = [config['patch_size']] * 2
        if isinstance(config.get('image_size'), int):
            facts['pos_grid'] = [config['image_size'] // config['patch_size']] * 2
    return facts
