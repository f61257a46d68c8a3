"""Second step of a transfer: whose names are these, and what does PlainViT call them?

``LAYOUTS`` is the table; a further source of checkpoints is one more entry. The first entry that
recognises a file is taken, so the special ones stand before the general ones.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from mae_transfer.transfer.checkpoint_file import CheckpointFile

Names = frozenset[str]


@dataclass(frozen=True)
class Layout:
    """Names that one source gives to the parts of a ViT.

    Attributes:
        name: As it is printed.
        detect: Tells from the names of a file and its container whether it is of this source.
        prefix: Subtree of the encoder; the names below hold behind it.
        rename: Pattern and replacement for each name that differs from PlainViT's; the first
            pattern that matches from the start of the name is applied.
        others: Pattern and group for what lies in the subtree and is no part of the encoder.
    """

    name: str
    detect: Callable[[Names, str], bool]
    prefix: str = ''
    rename: tuple[tuple[str, str], ...] = ()
    others: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class EncoderTensors:
    """What a file holds, seen by its layout.

    Attributes:
        layout: Name of the layout.
        tensors: The encoder by PlainViT's names.
        others: Group -> names of the file's tensors outside the encoder.
    """

    layout: str
    tensors: dict[str, Tensor]
    others: dict[str, list[str]]


def _any_starts(names: Names, *prefixes: str) -> bool:
    return any(name.startswith(prefixes) for name in names)


def _is_plain(names: Names) -> bool:
    return _any_starts(names, 'blocks.', 'patch_embed.proj.')


OUTSIDE_PLAIN = ((r'decoder_|mask_token$', 'decoder'), (r'head\.', 'head'))

MMPRETRAIN_NAMES = (
    (r'patch_embed\.projection\.', 'patch_embed.proj.'),
    (r'layers\.(\d+)\.ln([12])\.', r'blocks.\1.norm\2.'),
    (r'layers\.(\d+)\.ffn\.layers\.0\.0\.', r'blocks.\1.mlp.fc1.'),
    (r'layers\.(\d+)\.ffn\.layers\.1\.', r'blocks.\1.mlp.fc2.'),
    (r'layers\.(\d+)\.(?:attn|ffn)\.gamma([12])\.weight$', r'blocks.\1.ls\2.gamma'),
    (r'layers\.(\d+)\.', r'blocks.\1.'),
    (r'ln1\.', 'norm.'),
    (r'ln2\.', 'fc_norm.'),
)

LAYOUTS = (
    Layout(
        'mae_transfer',
        lambda names, _: _any_starts(names, 'backbone.blocks.', 'backbone.patch_embed.proj.'),
        prefix='backbone.',
    ),
    Layout(
        'MMPretrain ViT',
        lambda names, _: _any_starts(names, 'backbone.layers.0.ln1.'),
        prefix='backbone.',
        rename=MMPRETRAIN_NAMES,
    ),
    Layout(
        'FAIR MAE full',
        lambda names, _: _is_plain(names) and _any_starts(names, 'decoder_blocks.'),
        others=OUTSIDE_PLAIN,
    ),
    Layout(
        'FAIR MAE fine-tuned',
        lambda names, box: _is_plain(names) and 'fc_norm.weight' in names and box == 'model',
        others=OUTSIDE_PLAIN,
    ),
    Layout(
        'FAIR MAE encoder',
        lambda names, box: _is_plain(names) and box == 'model',
        others=OUTSIDE_PLAIN,
    ),
    Layout('timm ViT', lambda names, _: _is_plain(names), others=OUTSIDE_PLAIN),
)


def encoder_tensors(file: CheckpointFile) -> EncoderTensors:
    """Recognise the layout of a file and give its encoder PlainViT's names.

    Raises:
        ValueError: If no layout fits.
    """
    layout = _detect(file.path, frozenset(file.tensors), file.container)
    tensors, others = {}, {}
    for name, tensor in file.tensors.items():
        group = _group_outside(layout, name)
        if group is None:
            tensors[_rename(layout, name.removeprefix(layout.prefix))] = tensor
        else:
            others.setdefault(group, []).append(name)
    return EncoderTensors(layout.name, tensors, others)


def _detect(path: Path, names: Names, container: str) -> Layout:
    for layout in LAYOUTS:
        if layout.detect(names, container):
            return layout
    raise ValueError(
        f'{path} has no layout that is known ({", ".join(layout.name for layout in LAYOUTS)}): '
        f'its {len(names)} tensors begin with {sorted(names)[:10]}. Is a prefix wrong? The encoder '
        "is looked for at the top ('blocks.0...') and under 'backbone.'"
    )


def _group_outside(layout: Layout, name: str) -> str | None:
    """Group of a tensor that is no part of the encoder; None for one that is."""
    if not name.startswith(layout.prefix):
        return name.split('.', 1)[0]
    inner = name.removeprefix(layout.prefix)
    return next((group for pattern, group in layout.others if re.match(pattern, inner)), None)


def _rename(layout: Layout, name: str) -> str:
    for pattern, replacement in layout.rename:
        renamed, count = re.subn(rf'\A(?:{pattern})', replacement, name)
        if count:
            return renamed
    return name
