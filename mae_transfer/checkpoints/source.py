"""Reads a checkpoint for export and description: encoder, MAE's decoder, facts."""

import os
import re
from dataclasses import dataclass
from typing import Any

from mae_transfer.checkpoints.files.checkpoint_file import CheckpointFile, read_checkpoint
from mae_transfer.checkpoints.layouts.facts import gather_facts
from mae_transfer.checkpoints.layouts.parts import find_parts
from mae_transfer.checkpoints.layouts.pos_grid import find_pos_grid
from mae_transfer.checkpoints.layouts.table import layout_named
from mae_transfer.checkpoints.layouts.translate import (
    EncoderTensors,
    decoder_tensors,
    encoder_tensors,
)
from mae_transfer.checkpoints.steps import Tensors

# Facts about a decoder and a pre-training, which no encoder needs: (check, rule)
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
ADVICE = 'state it by --facts pos_grid=ROWS,COLUMNS'


@dataclass
class Source:
    """An encoder to export, possibly with MAE's decoder, and the facts about both.

    Attributes:
        file: The file they come from.
        found: The encoder as interpreted by its layout.
        tensors: The encoder under PlainViT's names.
        decoder: The decoder under the names of MAE's code; {} if there is none.
        others: Group -> names of the file's tensors outside encoder and decoder.
        facts: The known facts, under the names of our metadata.
    """

    file: CheckpointFile
    found: EncoderTensors
    tensors: Tensors
    decoder: Tensors
    others: dict[str, list[str]]
    facts: dict


def read_source(
    checkpoint: str | os.PathLike, facts: dict | None = None, trust: bool | None = None
) -> Source:
    """Read an encoder, a decoder if there is one, and the facts about both.

    Args:
        checkpoint: Whatever
            :func:`~mae_transfer.checkpoints.files.checkpoint_file.read_checkpoint` reads.
        facts: Facts that the file does not state.
        trust: Whether code in the file may run.

    Raises:
        FileNotFoundError: There is no such checkpoint.
        ValueError: It cannot be read, or a fact contradicts it.
    """
    return interpret_file(read_checkpoint(checkpoint, trust), facts)


def interpret_file(file: CheckpointFile, facts: dict | None = None) -> Source:
    """Interpret a file that has been read; see :func:`read_source`.

    Raises:
        ValueError: It cannot be recognized, or a fact contradicts it.
    """
    stated = dict(facts or {})
    found = encoder_tensors(file)
    own = {name: stated.pop(name) for name in DECODER_FACTS if name in stated}
    known = {name: value for name, (value, _) in gather_facts(file, found, stated).items()}
    decoder, decoder_names = _decoder_of(file, found)
    known |= _decoder_facts(file, found, decoder, own)
    others = {
        group: rest
        for group, names in found.others.items()
        if (rest := [name for name in names if name not in decoder_names])
    }
    return Source(file, found, dict(found.tensors), decoder, others, known)


def _decoder_of(file: CheckpointFile, found: EncoderTensors) -> tuple[Tensors, set[str]]:
    """Find MAE's decoder and its names; at the top level our own exports use MAE's names, too."""
    for layout in (found.layout, layout_named('FAIR MAE full')):
        decoder = decoder_tensors(file, layout)
        if 'decoder_pred.weight' in decoder:
            pattern = re.compile(re.escape(layout.decoder_prefix or '') or r'decoder_|mask_token$')
            return decoder, {name for name in file.tensors if pattern.match(name)}
    return {}, set()


def _decoder_facts(
    file: CheckpointFile, found: EncoderTensors, decoder: Tensors, own: dict
) -> dict:
    """Collect the facts about decoder and pre-training.

    Metadata, config.json, the command line of MAE's script and the user must agree; if none of them
    states a fact, the source's code determines it.
    """
    told: dict[str, Any] = {}
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
    """Add the facts that follow from the tensors: MLP ratio, grid of positions, image sizes.

    ``pretrain_img_size`` is that of the stored positions, and so is ``img_size`` unless stated.

    Raises:
        ValueError: The encoder is incomplete, or the grid of its positions is unknown.
    """
    tensors, facts, path = source.tensors, source.facts, source.file.path
    if 'patch_size' not in facts or 'blocks.0.mlp.fc1.weight' not in tensors:
        raise ValueError(f'{path} has no complete encoder: the patch projection or MLP is missing')
    facts['mlp_ratio'] = len(tensors['blocks.0.mlp.fc1.weight']) / facts['embed_dims']
    table = tensors.get('pos_embed')
    if table is None:
        return
    registers = find_parts(tensors).num_register_tokens
    try:
        grid = find_pos_grid(table.shape[1], registers, facts.get('pos_grid'), None, ADVICE)
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from error
    facts['pos_grid'] = grid
    sides = zip(grid, facts['patch_size'], strict=True)
    facts['pretrain_img_size'] = tuple(side * patch for side, patch in sides)
    facts.setdefault('img_size', facts['pretrain_img_size'])
