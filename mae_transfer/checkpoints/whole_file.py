"""Finds the tensors of a whole model in a file whose names or container are not MMEngine's.

A classifier of MAE's or CAE's code gets the names of our classifiers exactly as in its export.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mae_transfer.checkpoints.export.naming import fit_and_name
from mae_transfer.checkpoints.export.targets import TARGETS
from mae_transfer.checkpoints.files.checkpoint_file import CheckpointFile, interpret_content
from mae_transfer.checkpoints.layouts.facts import METADATA, Facts, gather_facts
from mae_transfer.checkpoints.layouts.translate import find_layout
from mae_transfer.checkpoints.source import interpret_file
from mae_transfer.checkpoints.steps import Tensors


@dataclass(frozen=True)
class WholeFile:
    """A whole model as found in a file.

    Attributes:
        tensors: Under the names of our models; under the file's own names if it is no classifier
            that can be translated.
        facts: What is known about the encoder.
        words: What was translated, in one line for the log; '' if nothing was.
    """

    tensors: Tensors
    facts: Facts
    words: str = ''


def find_whole_model(path: Path, content: Any) -> WholeFile:
    """Find the tensors of a whole model in the content of a file.

    Args:
        path: The file.
        content: What was read from it.

    Raises:
        ValueError: It contains no named tensors; or it is a classifier, but contradicts itself or
            has numbers that are not finite.
    """
    file = interpret_content(path, content)
    known = find_layout(file)
    if known is not None and known[0].classifier:
        try:
            found = _translated(file)
        except ValueError as error:
            raise ValueError(f'{path} ({known[0].name} file) is refused: {error}') from error
        if found is not None:
            return found
    return WholeFile(file.tensors, facts_of(file.metadata))


def facts_of(metadata: dict | None) -> Facts:
    """Return the facts of our metadata, with their source."""
    return {fact: (value, METADATA) for fact, value in (metadata or {}).items()}


def _translated(file: CheckpointFile) -> WholeFile | None:
    """Name encoder, probe and head as our classifiers do; None if the file is an encoder alone."""
    source = interpret_file(file)
    named = fit_and_name(source, TARGETS['mae_transfer'], with_decoder=True)
    if not named.classifier:
        return None
    left_out = [f'{group} {len(names)}' for group, names in named.left_out.items()]
    words = '; '.join(
        [
            f'{file.path} is a {source.found.layout.name} file, translated to the names of this '
            f'toolkit: {len(named.tensors) - len(named.classifier)} tensors of the encoder',
            *(step.words for step in named.steps),
            *([f'left out: {", ".join(left_out)}'] if left_out else []),
        ]
    )
    return WholeFile(named.tensors, gather_facts(file, source.found), words)
