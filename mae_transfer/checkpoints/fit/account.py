"""Accounts for every tensor in a load, to answer the question "were my weights loaded?"."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mae_transfer.checkpoints.files.checkpoint_file import CheckpointFile
from mae_transfer.checkpoints.layouts.facts import Facts
from mae_transfer.checkpoints.layouts.parts import ZERO_TABLES
from mae_transfer.checkpoints.layouts.translate import EncoderTensors, classifier_names
from mae_transfer.checkpoints.steps import Names, Resized, Step

LEFT_OVER = 'without a place in the encoder'

# Descriptions of the facts that shapes cannot verify
TOLD = {
    'num_heads': 'attention heads',
    'norm_eps': 'epsilon of the layer norms',
    'act': 'activation',
    'pos_order': 'axis order of the positions',
    'norm_pix': 'normalized pixels as target',
}


@dataclass(frozen=True)
class LoadAccount:
    """Account of one load, covering every tensor of the encoder and of the file.

    Attributes:
        checkpoint: The file.
        layout: Name of its layout.
        container: Entry of the file that held the tensors.
        loaded: Tensors of the encoder that now have the file's values, including resized ones.
        resized: Those whose values were computed from the file's.
        changes: Everything not copied unchanged, one phrase each, such as
            'pos_embed 14x14 -> 32x32 bicubic'.
        fresh: Group -> tensors of the encoder that keep their initial values, as the file lacks
            them by design.
        unused: Group -> tensors of the file that this encoder, by design, has no place for.
        let_pass: Reason -> tensors that would have been an error without ``allow_partial``.
        facts: Fact about the file's encoder -> (value, where it is stated).
        origins: Tensor of the encoder -> names of the file's tensors that it was made from.
        classifier: What follows the encoder in a classifier of MAE's or CAE's code: name in our
            classifiers -> shape; {} if the encoder was not copied unchanged.
    """

    checkpoint: str
    layout: str
    container: str = 'raw'
    loaded: list[str] = field(default_factory=list)
    resized: dict[str, Resized] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    fresh: dict[str, list[str]] = field(default_factory=dict)
    unused: dict[str, list[str]] = field(default_factory=dict)
    let_pass: dict[str, list[str]] = field(default_factory=dict)
    facts: Facts = field(default_factory=dict)
    origins: dict[str, list[str]] = field(default_factory=dict)
    classifier: dict[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def encoder(self) -> dict[str, dict]:
        """State each tensor's 'status': loaded, resized, fresh or let pass."""
        entries: dict[str, dict[str, Any]] = {}
        for name in self.loaded:
            entries[name] = {'status': 'loaded', 'from': self.origins.get(name, [name])}
            if name in self.resized:
                step = self.resized[name]
                entries[name] |= {
                    'status': 'resized',
                    'file_shape': list(step.old),
                    'shape': list(step.new),
                    'how': step.how,
                }
        for group, names in self.fresh.items():
            entries |= {name: {'status': 'fresh', 'why': group} for name in names}
        for reason, names in self.let_pass.items():
            if reason != LEFT_OVER:
                entries |= {name: {'status': 'let pass', 'why': reason} for name in names}
        return entries

    def summary(self) -> str:
        """Summarize the account in one line for the log."""
        due = sum(entry['status'] != 'fresh' for entry in self.encoder.values())
        parts = [f'{len(self.loaded)}/{due} encoder tensors', *self.changes]
        groups = (
            ('fresh by design', self.fresh),
            ('unused', self.unused),
            ('LET PASS by allow_partial', self.let_pass),
        )
        for title, names_of in groups:
            if names_of:
                counts = ', '.join(f'{group} {len(names)}' for group, names in names_of.items())
                parts.append(f'{title}: {counts}')
        origin = f'{self.layout} file {self.checkpoint}'
        return f'PretrainedViT: {origin}: ' + '; '.join(part for part in parts if part)

    def facts_told(self) -> str:
        """List in one line, for the log, facts that no tensor reveals, with their sources."""
        told = [
            f'{words} {self.facts[fact][0]} ({self.facts[fact][1]})'
            for fact, words in TOLD.items()
            if fact in self.facts
        ]
        return f'PretrainedViT: {", ".join(told)}'

    def to_dict(self) -> dict:
        """Return plain containers for json."""
        return {
            'checkpoint': self.checkpoint,
            'layout': self.layout,
            'container': self.container,
            'summary': self.summary(),
            'facts': {
                fact: {'value': list(value) if isinstance(value, tuple) else value, 'by': source}
                for fact, (value, source) in self.facts.items()
            },
            'encoder': self.encoder,
            'changes': self.changes,
            'unused': self.unused,
            'let_pass': self.let_pass,
        }


def account_of_load(
    file: CheckpointFile,
    found: EncoderTensors,
    facts: Facts,
    steps: Sequence[Step],
    loaded: Sequence[str],
) -> LoadAccount:
    """Build the account of a load from the steps that were taken.

    Args:
        file: The file.
        found: Its content, interpreted by its layout.
        facts: What is known about the file's encoder.
        steps: The steps applied to its tensors, in order.
        loaded: Tensors of the encoder that the load fills.
    """
    origins = dict(found.origins)
    resized: dict[str, Resized] = {}
    fresh: dict[str, list[str]] = {}
    unused = dict(found.others)
    let_pass: dict[str, list[str]] = {}
    for step in steps:
        origins |= _traced(step.made_of, origins)
        for name, one in step.resized.items():
            resized[name] = _joined(resized.get(name), one)
        _note(fresh, step.fresh)
        _note(unused, _traced(step.unused, origins))
        _note(let_pass, step.let_pass)
    unchanged = all(
        step == Step(unused=step.unused) and step.unused.keys() <= {ZERO_TABLES} for step in steps
    )
    return LoadAccount(
        checkpoint=str(file.path),
        layout=found.layout.name,
        container=file.container,
        loaded=list(loaded),
        resized=resized,
        changes=[step.words for step in steps if step.words],
        fresh=fresh,
        unused=unused,
        let_pass=let_pass,
        facts=facts,
        origins=origins,
        classifier={
            ours: tuple(file.tensors[theirs].shape)
            for ours, theirs in (classifier_names(found) if unchanged else {}).items()
        },
    )


def _traced(groups: Names, origins: dict[str, list[str]]) -> dict[str, list[str]]:
    """Replace the names in each group with the original names in the file."""
    return {
        group: [origin for name in names for origin in origins.get(name, [name])]
        for group, names in groups.items()
    }


def _joined(first: Resized | None, second: Resized) -> Resized:
    if first is None:
        return second
    return Resized(first.old, second.new, f'{first.how}; {second.how}')


def _note(groups: dict[str, list[str]], more: Names) -> None:
    for group, names in more.items():
        groups[group] = [*groups.get(group, []), *names]
