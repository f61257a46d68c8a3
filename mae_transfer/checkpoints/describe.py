"""Describes a checkpoint: its layout, architecture and parts, and which facts are unknown."""

import os
from collections import Counter

from mae_transfer.backbones.arch import resolve_arch, to_pair
from mae_transfer.checkpoints.export.models import arch_name
from mae_transfer.checkpoints.layouts.facts import gather_facts
from mae_transfer.checkpoints.layouts.parts import Parts, find_parts, zero_tables
from mae_transfer.checkpoints.source import Source, complete_facts, read_source

ENCODER_FACTS = (
    'embed_dims', 'num_layers', 'num_heads', 'mlp_ratio', 'patch_size', 'in_channels', 'img_size',
    'pos_grid', 'pos_order', 'norm_eps', 'act', 'layer_scale',
)  # fmt: skip


def describe_checkpoint(
    checkpoint: str | os.PathLike, facts: dict | None = None, trust: bool | None = None
) -> dict:
    """Describe a checkpoint in plain containers; unknown facts are None.

    Args:
        checkpoint: Whatever
            :func:`~mae_transfer.checkpoints.files.checkpoint_file.read_checkpoint` reads.
        facts: Facts that the file does not state.
        trust: Whether code in the file may run if it cannot be read otherwise.

    Returns:
        'file', 'bytes', 'container', 'layout', 'arch' (a size by name, or None); 'encoder', facts
        under the names of our metadata; 'by', the source of each fact that no tensor reveals;
        'parts' of the encoder; 'decoder', None or its sizes; 'pretraining'; 'others', groups of
        further tensors; 'parameters'; 'dtypes'; 'notes'.

    Raises:
        FileNotFoundError: There is no such checkpoint.
        ValueError: It cannot be read, has no known layout, or contradicts itself.
    """
    source = read_source(checkpoint, facts, trust)
    notes = []
    try:
        complete_facts(source)
    except ValueError as error:
        notes.append(str(error))
    stated = {name: value for name, value in (facts or {}).items() if name in ENCODER_FACTS}
    told_by = gather_facts(source.file, source.found, stated)
    known, file = source.facts, source.file
    idle = zero_tables(source.tensors)
    if idle:
        notes.append(f'{len(idle)} tables of relative position are zero, which changes nothing')
    parts = find_parts({n: tensor for n, tensor in source.tensors.items() if n not in idle})
    return dict(
        file=str(file.path),
        bytes=file.path.stat().st_size,
        container=file.container,
        layout=source.found.layout.name,
        arch=arch_name(known),
        encoder={name: _plain(known.get(name)) for name in ENCODER_FACTS},
        by={name: told_by[name][1] for name in ENCODER_FACTS if name in told_by},
        parts=_shown_parts(parts),
        decoder=_decoder(source),
        pretraining={
            name: known.get(name) for name in ('norm_pix', 'masking', 'mask_ratio', 'mean', 'std')
        },
        others={group: len(names) for group, names in source.others.items()},
        parameters=sum(tensor.numel() for tensor in source.tensors.values()),
        dtypes=dict(Counter(str(t.dtype).removeprefix('torch.') for t in file.tensors.values())),
        notes=notes,
    )


def misfits(description: dict, backbone: dict) -> list[str]:
    """List the reasons why a config's encoder cannot load a checkpoint's; [] if it can.

    Positions, windows and the packing of biases are adapted during loading, so they are not listed.
    A different patch size is resampled, too, but is listed.

    Args:
        description: See :func:`describe_checkpoint`.
        backbone: ``model.backbone`` of a config, of type PlainViT.

    Returns:
        One phrase for each fact that differs, such as 'patch 16x16 instead of 14x14'.
    """
    file, parts = description['encoder'], description['parts']
    own = resolve_arch(backbone.get('arch', 'base')) | dict(
        patch_size=list(to_pair(backbone.get('patch_size', 16), 'patch_size')),
        in_channels=backbone.get('in_channels', 3),
        norm_eps=backbone.get('norm_eps', 1e-6),
        act='gelu',
    )
    words = dict(
        embed_dims='width', num_layers='blocks', num_heads='heads', mlp_ratio='MLP ratio',
        patch_size='patch', in_channels='channels', norm_eps='norm epsilon', act='activation',
    )  # fmt: skip
    found = [
        f'{words[name]} {_shown(own[name])} instead of {_shown(file[name])}'
        for name in words
        if file[name] is not None and file[name] != own[name]
    ]
    if file['layer_scale'] and backbone.get('layer_scale_init') is None:
        found.append('no layer scale')
    if parts['register_tokens'] != backbone.get('num_register_tokens', 0):
        found.append('another number of register tokens')
    pooled = backbone.get('out_type') == 'avg'
    if not parts['norm'] and not pooled and backbone.get('final_norm', True):
        found.append('a final norm')
    if parts['rel_pos'] and not backbone.get('rel_pos'):
        found.append('no relative positions')
    return found


def _shown_parts(parts: Parts) -> dict:
    """The optional parts in plain containers; absent ones are None."""
    return dict(
        class_token=parts.with_cls_token,
        register_tokens=parts.num_register_tokens,
        pos_embed=_plain(parts.pos_embed),
        norm=parts.norm,
        fc_norm=parts.fc_norm,
        qkv_bias='full' if parts.qkv_bias is True else parts.qkv_bias or None,
        rel_pos=parts.rel_pos or None,
    )


def _decoder(source: Source) -> dict | None:
    if not source.decoder:
        return None
    return dict(
        embed_dims=source.decoder['mask_token'].shape[-1],
        num_layers=sum(name.endswith('.norm1.bias') for name in source.decoder),
        num_heads=source.facts.get('decoder_num_heads'),
        values_per_patch=len(source.decoder['decoder_pred.weight']),
    )


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _shown(value: object) -> str:
    return 'x'.join(map(str, value)) if isinstance(value, list) else f'{value}'
