"""Journey 2 from its other end: an encoder of any source -> a file of any target library.

file -> tensors by PlainViT's names, as for loading -> fitted to the target -> its names -> written.
What was folded, added or dropped is part of the answer.
"""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from mae_transfer.checkpoints.export.files import write_file, write_folder
from mae_transfer.checkpoints.export.fit import (
    check_finite,
    fit_decoder_to_target,
    fit_to_target,
    grid_of_positions,
)
from mae_transfer.checkpoints.export.models import HUB_CONFIGS, model_arguments
from mae_transfer.checkpoints.export.targets import Target, find_target
from mae_transfer.checkpoints.files.checkpoint_file import CheckpointFile, read_checkpoint
from mae_transfer.checkpoints.files.hugging_face import INDEX_SUFFIX
from mae_transfer.checkpoints.layouts.facts import gather_facts
from mae_transfer.checkpoints.layouts.key_maps import (
    EncoderTensors,
    decoder_tensors,
    encoder_tensors,
    layout_named,
    name_decoder,
    name_encoder,
)
from mae_transfer.version import __version__

Tensors = dict[str, Tensor]

# Facts about a decoder and a pre-training, which no encoder needs to know, and what they must be
DECODER_FACTS = {
    'decoder_num_heads': (lambda value: type(value) is int and value > 0, 'a positive int'),
    'mask_ratio': (lambda value: type(value) is float and 0 < value < 1, 'a float in (0, 1)'),
    'norm_pix': (lambda value: isinstance(value, bool), 'True or False'),
}
MORE_FACTS = ('masking', 'mean', 'std')
DECODER_HEADS = {'FAIR MAE full': {512: 16}, 'MMPretrain MAE': {512: 16}}  # by their code
STATED_ELSEWHERE = (  # in config.json, or in the command line of MAE's script
    ('decoder_num_attention_heads', 'decoder_num_heads'),
    ('mask_ratio', 'mask_ratio'),
    ('norm_pix_loss', 'norm_pix'),
)
BOOK_KEEPING = {'detectron2': {'__author__': 'mae_transfer', 'matching_heuristics': True}}


@dataclass
class Source:
    """What is exported: an encoder, perhaps MAE's decoder, and what is known of both.

    Attributes:
        file: Where they come from.
        found: The encoder as its layout has it.
        tensors: The encoder by PlainViT's names.
        decoder: The decoder by the names of MAE's code; {} without.
        decoder_names: Names of the decoder's tensors in the file.
        facts: What is known, by the names of our metadata.
    """

    file: CheckpointFile
    found: EncoderTensors
    tensors: Tensors
    decoder: Tensors
    decoder_names: set[str]
    facts: dict


@dataclass
class Export:
    """Account of one export.

    Attributes:
        path: The file or folder that was written.
        source: Layout of the file that was read, and its path.
        target: Whose model reads it.
        num_tensors: How many were written.
        steps: What was folded, added or dropped inside the encoder and the decoder.
        left_out: Group -> tensors of the file that belong to neither.
        arguments: What the target's model is built from, to load the file strictly.
    """

    path: Path
    source: str
    target: Target
    num_tensors: int = 0
    steps: list[str] = field(default_factory=list)
    left_out: dict[str, list[str]] = field(default_factory=dict)
    arguments: dict = field(default_factory=dict)


def export_checkpoint(
    checkpoint: str | os.PathLike,
    to: str,
    out: str | os.PathLike | None = None,
    file_format: str | None = None,
    facts: dict | None = None,
    with_decoder: bool = True,
    trust: bool | None = None,
) -> Export:
    """Write an encoder as another library's file; a target that cannot hold it is an error.

    Args:
        checkpoint: Whatever
            :func:`~mae_transfer.checkpoints.files.checkpoint_file.read_checkpoint` reads.
        to: A key of :data:`~mae_transfer.checkpoints.export.targets.TARGETS`.
        out: File or folder to write; beside the checkpoint, with the target's name, if not given.
            It must not exist.
        file_format: 'safetensors' or 'pth'; the target's own if not given.
        facts: What the file does not tell: ``dict(num_heads=6, norm_pix=True)``.
        with_decoder: Whether MAE's decoder goes along where there is one and the target takes it.
        trust: See ``read_checkpoint``.

    Returns:
        What was written and what was done to it.

    Raises:
        FileNotFoundError: There is no such checkpoint.
        ValueError: The target, the format or a fact is wrong, ``out`` exists, the checkpoint cannot
            be read or told, or the target has no place for it.
    """
    target, file_format = find_target(to, file_format)
    source = read_source(checkpoint, facts, trust)
    complete_facts(source)
    path = _free_path(checkpoint, source, target, out, file_format)
    layout = source.found.layout.name
    export = Export(path, f'{layout} file {source.file.path}', target)
    for group, names in source.found.others.items():
        rest = [name for name in names if name not in source.decoder_names]
        export.left_out |= {group: rest} if rest else {}
    try:
        named = _named_tensors(source, target, with_decoder, export)
        export.arguments = model_arguments(named.encoder, named.decoder, named.facts, target)
    except ValueError as error:
        raise ValueError(
            f'{source.file.path} ({layout} file) cannot be written for {to}: {error}'
        ) from error
    export.num_tensors = len(named.tensors)
    metadata = _metadata(named, export)
    if file_format:
        extra = BOOK_KEEPING.get(to, {})
        write_file(path, named.tensors, metadata, target.container, extra)
    else:
        write_folder(path, named.tensors, metadata, HUB_CONFIGS[to](export.arguments))
    return export


def read_source(
    checkpoint: str | os.PathLike, facts: dict | None = None, trust: bool | None = None
) -> Source:
    """Read an encoder, a decoder if there is one, and all that is known about them.

    Args:
        checkpoint: See :func:`export_checkpoint`, here and below.
        facts: What the file does not tell.
        trust: Whether code of the file may run.

    Raises:
        FileNotFoundError: There is no such checkpoint.
        ValueError: It cannot be read, or a fact contradicts it.
    """
    stated = dict(facts or {})
    file = read_checkpoint(checkpoint, trust)
    found = encoder_tensors(file)
    own = {name: stated.pop(name) for name in DECODER_FACTS if name in stated}
    known = {name: value for name, (value, _) in gather_facts(file, found, stated).items()}
    decoder, decoder_names = _decoder_of(file, found)
    known |= _decoder_facts(file, found, decoder, own)
    return Source(file, found, dict(found.tensors), decoder, decoder_names, known)


def _decoder_of(file: CheckpointFile, found: EncoderTensors) -> tuple[Tensors, set[str]]:
    """Find MAE's decoder and its names; at the top they are MAE's in our own exports, too."""
    for layout in (found.layout, layout_named('FAIR MAE full')):
        decoder = decoder_tensors(file, layout)
        if 'decoder_pred.weight' in decoder:
            pattern = re.compile(re.escape(layout.decoder_prefix or '') or r'decoder_|mask_token$')
            return decoder, {name for name in file.tensors if pattern.match(name)}
    return {}, set()


def _decoder_facts(
    file: CheckpointFile, found: EncoderTensors, decoder: Tensors, own: dict
) -> dict:
    """What is stated about decoder and pre-training.

    Metadata, config.json, the command line of MAE's script and the user must agree; where none of
    them speaks, the code of the source counts.
    """
    told = {}
    for stated in (file.arguments, file.config or {}):
        told |= {ours: stated[theirs] for theirs, ours in STATED_ELSEWHERE if theirs in stated}
    metadata = file.metadata or {}
    told |= {name: metadata[name] for name in DECODER_FACTS if name in metadata}
    for name, value in own.items():
        if told.get(name, value) != value:
            raise ValueError(f'facts={own}: {file.path} states {name}={told[name]!r}')
    told |= own
    for name, value in told.items():
        check, rule = DECODER_FACTS[name]
        if not check(value):
            raise ValueError(f'{file.path}, or facts=, states {name}={value!r}: must be {rule}')
    if decoder and 'decoder_num_heads' not in told:
        heads = DECODER_HEADS.get(found.layout.name, {}).get(decoder['mask_token'].shape[-1])
        told |= {} if heads is None else {'decoder_num_heads': heads}
    return told | {name: metadata[name] for name in MORE_FACTS if name in metadata}


def complete_facts(source: Source) -> None:
    """Add what follows from the tensors: MLP ratio, grid of positions, image sizes.

    ``pretrain_img_size`` is that of the stored positions; ``img_size``, if it is not stated, too.

    Raises:
        ValueError: The encoder is not whole, or its positions tell no grid.
    """
    tensors, facts, path = source.tensors, source.facts, source.file.path
    if 'patch_size' not in facts or 'blocks.0.mlp.fc1.weight' not in tensors:
        raise ValueError(f'{path} holds no whole encoder: patch projection or MLP are missing')
    facts['mlp_ratio'] = len(tensors['blocks.0.mlp.fc1.weight']) / facts['embed_dims']
    table = tensors.get('pos_embed')
    if table is None:
        return
    registers = tensors['reg_token'].shape[1] if 'reg_token' in tensors else 0
    registers += 'dist_token' in tensors
    prefixes = {0, 1, registers, registers + 1}
    try:
        grid = grid_of_positions(table, prefixes, facts.get('pos_grid'))
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from error
    facts['pos_grid'] = grid
    sides = zip(grid, facts['patch_size'], strict=True)
    facts['pretrain_img_size'] = tuple(side * patch for side, patch in sides)
    facts.setdefault('img_size', facts['pretrain_img_size'])


@dataclass
class _Named:
    """A source fitted to a target: parts by our names, and all of it by the target's."""

    encoder: Tensors
    decoder: Tensors
    tensors: Tensors
    facts: dict


def _named_tensors(source: Source, target: Target, with_decoder: bool, export: Export) -> _Named:
    check_finite(source.tensors | source.decoder)
    encoder, steps = fit_to_target(source.tensors, source.facts, target)
    export.steps += steps
    decoder: Tensors = {}
    if source.decoder and with_decoder and target.decoder_layout:
        decoder, steps = fit_decoder_to_target(source.decoder, encoder, target)
        export.steps += steps
    elif source.decoder:
        reason = f'{target.model} has none' if with_decoder else 'as --no-decoder says'
        export.steps.append(f'decoder: {len(source.decoder)} tensors dropped, {reason}')
    if target.needs_decoder and not decoder:
        raise ValueError(f'it has no decoder of MAE, which {target.model} needs; use --to hf-vit')
    layout = layout_named(target.decoder_layout if decoder else target.layout)
    tensors = name_encoder(layout, encoder) | (name_decoder(layout, decoder) if decoder else {})
    facts = dict(source.facts, layer_scale=any(name.endswith('.gamma') for name in encoder))
    return _Named(encoder, decoder, tensors, facts)


def _metadata(named: _Named, export: Export) -> dict:
    """Facts for the next reader, as our own checkpoints carry them."""
    facts = dict(named.facts)
    if not named.decoder:
        facts.pop('decoder_num_heads', None)
    prefix_tokens = sum(
        named.encoder[name].shape[1] for name in ('cls_token', 'reg_token') if name in named.encoder
    )
    facts |= dict(version=__version__, num_prefix_tokens=prefix_tokens, exported=export.steps)
    facts.pop('mlp_ratio')
    table_size = facts.pop('pretrain_img_size', None)
    if table_size and not export.target.any_encoder:
        facts['img_size'] = table_size
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in facts.items()
        if value is not None
    }


def _free_path(
    checkpoint: str | os.PathLike,
    source: Source,
    target: Target,
    out: str | os.PathLike | None,
    file_format: str,
) -> Path:
    """Where to write; nothing that is there already is overwritten."""
    suffix = f'.{file_format}' if file_format else ''
    if out is None:
        if str(checkpoint).startswith('timm:'):
            raise ValueError(f'--out is needed: {checkpoint} lies in a cache')
        place = source.file.path
        stem = Path(place.name.removesuffix(INDEX_SUFFIX)).stem
        out = place.with_name(f'{stem}_{target.name}{suffix}')
    path = Path(out).expanduser()
    if path.suffix != suffix and suffix:
        raise ValueError(f'--out {str(out)!r}: must end in {suffix}, as --format says')
    if path.exists():
        raise ValueError(f'--out {str(path)!r} exists: remove it or give another name')
    return path
