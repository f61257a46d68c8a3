"""Exports an encoder from any source to a file of a target library.

What follows the encoder of a classifier of MAE's or CAE's code, a linear layer or a probe, is
exported to ``mae_transfer``, too, under the names that the classifiers of our configs have.

file -> tensors under PlainViT's names, as in loading -> fitted to the target -> renamed -> written.
The result lists everything that was folded, added or dropped.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from mae_transfer.backbones.timm_weights import TIMM
from mae_transfer.checkpoints.export.files import write_file, write_folder
from mae_transfer.checkpoints.export.models import HUB_CONFIGS, model_arguments
from mae_transfer.checkpoints.export.naming import Named, fit_and_name
from mae_transfer.checkpoints.export.targets import Target, find_target
from mae_transfer.checkpoints.files.hugging_face import INDEX_SUFFIX
from mae_transfer.checkpoints.source import Source, complete_facts, read_source
from mae_transfer.version import __version__

BOOK_KEEPING = {'detectron2': {'__author__': 'mae_transfer', 'matching_heuristics': True}}


@dataclass(frozen=True)
class Export:
    """Account of one export.

    Attributes:
        path: The file or folder that was written.
        source: Layout and path of the file that was read.
        target: The library and model that read the result.
        num_tensors: How many were written.
        steps: What was folded, added or dropped in the encoder and the decoder.
        left_out: Group -> tensors of the file that were not written.
        arguments: Arguments for a target model that loads the file strictly.
    """

    path: Path
    source: str
    target: Target
    num_tensors: int
    steps: list[str]
    left_out: dict[str, list[str]]
    arguments: dict


def export_checkpoint(
    checkpoint: str | os.PathLike,
    to: str,
    out: str | os.PathLike | None = None,
    file_format: str | None = None,
    facts: dict | None = None,
    with_decoder: bool = True,
    trust: bool | None = None,
) -> Export:
    """Write an encoder as another library's file; fail if the target cannot represent it.

    Args:
        checkpoint: Whatever
            :func:`~mae_transfer.checkpoints.files.checkpoint_file.read_checkpoint` reads.
        to: A key of :data:`~mae_transfer.checkpoints.export.targets.TARGETS`.
        out: File or folder to write, which must not exist; by default next to the checkpoint, with
            the target's name appended.
        file_format: 'safetensors' or 'pth'; by default the target's own.
        facts: Facts that the file does not state, such as ``dict(num_heads=6, norm_pix=True)``.
        with_decoder: Whether to include MAE's decoder if there is one and the target supports it.
        trust: See ``read_checkpoint``.

    Returns:
        What was written and what was done to it.

    Raises:
        FileNotFoundError: There is no such checkpoint.
        ValueError: The target, the format or a fact is wrong, ``out`` exists, the checkpoint cannot
            be read or recognized, or the target has no place for it.
    """
    target, file_format = find_target(to, file_format)
    source = read_source(checkpoint, facts, trust)
    complete_facts(source)
    path = _free_path(checkpoint, source, target, out, file_format)
    layout = source.found.layout.name
    try:
        named = fit_and_name(source, target, with_decoder)
        arguments = model_arguments(named.encoder, named.decoder, named.facts, target)
    except ValueError as error:
        raise ValueError(
            f'{source.file.path} ({layout} file) cannot be written for {to}: {error}'
        ) from error
    steps = [step.words for step in named.steps]
    metadata = _metadata(named, target, steps)
    if file_format:
        extra = BOOK_KEEPING.get(to, {})
        write_file(path, named.tensors, metadata, target.container, extra)
    else:
        write_folder(path, named.tensors, metadata, HUB_CONFIGS[to](arguments))
    origin = f'{layout} file {source.file.path}'
    return Export(path, origin, target, len(named.tensors), steps, named.left_out, arguments)


def _metadata(named: Named, target: Target, steps: list[str]) -> dict:
    """Facts for the next reader, in the form that our own checkpoints use."""
    facts = dict(named.facts)
    if not named.decoder:
        facts.pop('decoder_num_heads', None)
    prefix_tokens = sum(
        named.encoder[name].shape[1] for name in ('cls_token', 'reg_token') if name in named.encoder
    )
    facts |= dict(version=__version__, num_prefix_tokens=prefix_tokens, exported=steps)
    facts.pop('mlp_ratio')
    table_size = facts.pop('pretrain_img_size', None)
    if table_size and not target.any_encoder:
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
    """Choose the path to write; an existing file is never overwritten."""
    suffix = f'.{file_format}' if file_format else ''
    if out is None:
        if str(checkpoint).startswith(TIMM):
            raise ValueError(f'--out is needed: {checkpoint} is in a cache')
        place = source.file.path
        stem = Path(place.name.removesuffix(INDEX_SUFFIX)).stem
        out = place.with_name(f'{stem}_{target.name}{suffix}')
    path = Path(out).expanduser()
    if path.suffix != suffix and suffix:
        raise ValueError(f'--out {str(out)!r}: must end in {suffix}, as --format says')
    if path.exists():
        raise ValueError(f'--out {str(path)!r} exists: remove it or choose another name')
    return path
