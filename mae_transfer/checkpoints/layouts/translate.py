"""Translates files to PlainViT's names and back, using the table of layouts.

:func:`encoder_tensors` and :func:`decoder_tensors` are for reading a file, :func:`name_encoder` and
:func:`name_decoder` for writing one.
"""

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mae_transfer.checkpoints.files.checkpoint_file import CheckpointFile
from mae_transfer.checkpoints.layouts.layout import KeyMap, Layout
from mae_transfer.checkpoints.layouts.qkv_packing import join_qkv, split_qkv
from mae_transfer.checkpoints.layouts.table import LAYOUTS
from mae_transfer.checkpoints.steps import Tensors


def _swap_positions(tensors: Tensors) -> Tensors:
    """Turn positions (1, N, C) into (N, 1, C), the sequence first, or back."""
    tables = ('pos_embed', 'decoder_pos_embed')
    return {
        name: tensor.transpose(0, 1) if name in tables and tensor.ndim == 3 else tensor
        for name, tensor in tensors.items()
    }


PACKINGS: dict[str, tuple[Callable[[Tensors], Tensors], Callable[[Tensors], Tensors]]] = {
    'fused': (dict, dict),
    'separate': (join_qkv, split_qkv),
    'sequence first': (_swap_positions, _swap_positions),
}


@dataclass(frozen=True)
class EncoderTensors:
    """Content of a file, interpreted by its layout.

    Attributes:
        layout: The row of ``LAYOUTS``.
        prefix: Subtree of the encoder in this file.
        tensors: The encoder under PlainViT's names.
        origins: PlainViT's name -> names of the file's tensors that it was made from.
        others: Group -> names of the file's tensors outside the encoder.
    """

    layout: Layout
    prefix: str
    tensors: Tensors
    origins: dict[str, list[str]]
    others: dict[str, list[str]]


# ---- reading -----------------------------------------------------------------------------------


def find_layout(file: CheckpointFile) -> tuple[Layout, str] | None:
    """Find the layout of a file and the subtree of its encoder; None if no layout matches."""
    for layout in LAYOUTS:
        for prefix in layout.prefixes:
            if _fits(layout, prefix, file):
                return layout, prefix
    return None


def recognize(file: CheckpointFile) -> tuple[Layout, str]:
    """Find the layout of a file and the subtree of its encoder.

    Raises:
        ValueError: If no layout matches.
    """
    found = find_layout(file)
    if found is not None:
        return found
    names, known = sorted(file.tensors), ', '.join(layout.name for layout in LAYOUTS)
    prefixes = dict.fromkeys(prefix for layout in LAYOUTS for prefix in layout.prefixes)
    raise ValueError(
        f'{file.path} matches no known layout ({known}): its {len(names)} tensors '
        f'begin with {names[:10]}. Check its prefix: an encoder may be at the top level or '
        f'under {", ".join(prefix for prefix in prefixes if prefix)}'
    )


def _fits(layout: Layout, prefix: str, file: CheckpointFile) -> bool:
    if layout.container not in ('', file.container):
        return False
    if layout.stated is not None and layout.stated != (file.metadata is not None):
        return False
    return (
        all(_occurs(prefix + sign, file.tensors) for sign in layout.signs)
        and not any(_occurs(prefix + sign, file.tensors) for sign in layout.absent)
        and all(_occurs(sign, file.tensors) for sign in layout.beside)
    )


def _occurs(template: str, names: Mapping[str, object]) -> bool:
    pattern = _pattern(template)
    return any(pattern.match(name) for name in names)


def encoder_tensors(file: CheckpointFile) -> EncoderTensors:
    """Recognize the layout of a file and rename its encoder to PlainViT's names.

    Raises:
        ValueError: If no layout matches, or two tensors of the file get the same name.
    """
    layout, prefix = recognize(file)
    tensors: Tensors = {}
    origins: dict[str, list[str]] = {}
    others: dict[str, list[str]] = {}
    for name, tensor in file.tensors.items():
        group = _group_outside(layout, prefix, name)
        if group is not None:
            others.setdefault(group, []).append(name)
            continue
        ours = rename(name.removeprefix(prefix), layout.keys)
        if ours in tensors:
            raise ValueError(
                f'{file.path} ({layout.name} file) contains {ours} twice: as {origins[ours][0]} '
                f'and as {name}'
            )
        tensors[ours], origins[ours] = tensor, [name]
    unpacked = PACKINGS[layout.packing][0](tensors)
    for name in unpacked.keys() - tensors.keys():  # joined from three
        parts = [name.replace('.qkv.', f'.{part}.') for part in 'qkv']
        origins[name] = [origins[part][0] for part in parts]
    origins = {name: origins[name] for name in unpacked}
    return EncoderTensors(layout, prefix, unpacked, origins, others)


def _group_outside(layout: Layout, prefix: str, name: str) -> str | None:
    """Return the group of a tensor outside the encoder; None for one inside."""
    if not name.startswith(prefix):
        return name.split('.', 1)[0]
    inner = name.removeprefix(prefix)
    if not prefix and layout.decoder_prefix and inner.startswith(layout.decoder_prefix):
        return 'decoder'
    return next((group for pattern, group in layout.outside if re.match(pattern, inner)), None)


def decoder_tensors(file: CheckpointFile, layout: Layout) -> Tensors:
    """Rename the tensors of a file's decoder to those of :class:`MAEDecoder`; {} if it has none."""
    if layout.decoder_prefix is None:
        return {}
    tensors = {
        rename(name.removeprefix(layout.decoder_prefix), layout.decoder_keys): tensor
        for name, tensor in file.tensors.items()
        if name.startswith(layout.decoder_prefix)
    }
    decoder = {name: t for name, t in tensors.items() if re.match(r'decoder_|mask_token$', name)}
    return PACKINGS[layout.packing][0](decoder)


def classifier_names(found: EncoderTensors) -> dict[str, str]:
    """Name what follows the encoder of a classifier as the classifiers of our configs do.

    Args:
        found: The content of a file, interpreted by its layout.

    Returns:
        Name in our classifiers -> name in the file; empty if the file holds no such classifier.
    """
    named: dict[str, str] = {}
    for name in sum(found.others.values(), []):
        inner = name.removeprefix(found.prefix)
        ours = rename(inner, found.layout.classifier)
        if ours != inner:
            named[ours] = name
    return named


# ---- writing -----------------------------------------------------------------------------------


def name_encoder(layout: Layout, tensors: Tensors) -> Tensors:
    """Convert an encoder to the names and the packing of a layout; the inverse of reading.

    Tensors that the layout has no name for keep PlainViT's names. Fold layer scale and split or
    join biases (``qkv_packing``) beforehand.

    Args:
        layout: The layout to write.
        tensors: An encoder under PlainViT's names.
    """
    packed = PACKINGS[layout.packing][1](tensors)
    prefix = layout.prefixes[0]
    return {prefix + rename_back(name, layout.keys): tensor for name, tensor in packed.items()}


def name_decoder(layout: Layout, tensors: Tensors) -> Tensors:
    """Convert MAE's decoder to the names and the packing of a layout.

    Args:
        layout: The layout to write.
        tensors: A decoder under the names of :class:`MAEDecoder`.

    Raises:
        ValueError: If the layout has no decoder.
    """
    if layout.decoder_prefix is None:
        raise ValueError(f'the layout {layout.name!r} has no place for a decoder')
    packed = PACKINGS[layout.packing][1](tensors)
    return {
        layout.decoder_prefix + rename_back(name, layout.decoder_keys): tensor
        for name, tensor in packed.items()
    }


# ---- templates ---------------------------------------------------------------------------------


def rename(name: str, keys: KeyMap) -> str:
    """Translate a name of theirs to ours, using the first template that matches."""
    for theirs, ours in keys:
        renamed = _replace(name, theirs, ours)
        if renamed is not None:
            return renamed
    return name


def rename_back(name: str, keys: KeyMap) -> str:
    """Translate a name of ours to theirs; inverse of :func:`rename`.

    Raises:
        ValueError: If their name contains a number that ours does not determine.
    """
    for theirs, ours in keys:
        if _pattern(ours).match(name) and '{_}' in theirs:
            raise ValueError(f'{name!r} cannot be written as {theirs!r}: a number is unknown')
        renamed = _replace(name, ours, theirs)
        if renamed is not None:
            return renamed
    return name


def _replace(name: str, source: str, target: str) -> str | None:
    found = _pattern(source).match(name)
    if found is None:
        return None
    number = found['i'] if '{i}' in source else ''
    return target.replace('{i}', number) + name[found.end() :]


@functools.cache
def _pattern(template: str) -> re.Pattern:
    """Regular expression of a template; without a trailing dot it matches the complete name."""
    pattern = re.escape(template).replace(r'\{i\}', r'(?P<i>\d+)').replace(r'\{_\}', r'\d+')
    return re.compile(pattern if template.endswith('.') else rf'{pattern}(?!.)')
