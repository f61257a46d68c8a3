"""What a transfer did with every tensor: the answer to "were my weights loaded?"."""

from dataclasses import dataclass, field

LEFT_OVER = 'without a place in the encoder'

# Facts that a load cannot check by shapes, in words
TOLD = {
    'num_heads': 'attention heads',
    'norm_eps': 'epsilon of the layer norms',
    'act': 'activation',
    'pos_order': 'axis order of the positions',
    'norm_pix': 'normalised pixels as target',
}


@dataclass(frozen=True)
class Resized:
    """A tensor whose values were computed from the file's.

    Attributes:
        old: Shape in the file.
        new: Shape in the encoder.
        how: By which rule, with what it was and what it is: 'bicubic, 14x14 -> 32x32'.
    """

    old: tuple[int, ...]
    new: tuple[int, ...]
    how: str


@dataclass
class LoadAccount:
    """Account of one load; every tensor of the encoder and of the file stands in it.

    Attributes:
        checkpoint: The file.
        layout: Whose names it has.
        container: Entry of the file that held the tensors.
        loaded: Tensors of the encoder that now hold the file's values, resized ones included.
        resized: Those of another shape than in the file.
        changes: What was not copied as it is, one phrase each ('pos_embed 14x14 -> 32x32 bicubic').
        fresh: Group -> tensors of the encoder that keep their start by design: the file has none.
        unused: Group -> tensors of the file that this encoder has no place for, by design.
        let_pass: Reason -> tensors that would have been an error without ``allow_partial``.
        facts: Fact -> (value, where it is stated), of the file's encoder.
        origins: Tensor of the encoder -> names in the file that it was made of.
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
    facts: dict[str, tuple[object, str]] = field(default_factory=dict)
    origins: dict[str, list[str]] = field(default_factory=dict)

    def resize(self, name: str, old: tuple[int, ...], new: tuple[int, ...], how: str) -> None:
        """Take down that a tensor got another shape; a second time, both steps are kept."""
        before = self.resized.get(name)
        if before is not None:
            old, how = before.old, f'{before.how}; {how}'
        self.resized[name] = Resized(tuple(old), tuple(new), how)

    @property
    def encoder(self) -> dict[str, dict]:
        """Each tensor of the encoder: 'status' is loaded, resized, fresh or let pass."""
        entries = {}
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
        """Say it in one line, as it is logged."""
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
        """Say in one line who stated what the tensors do not tell, as it is logged."""
        told = [
            f'{words} {self.facts[fact][0]} ({self.facts[fact][1]})'
            for fact, words in TOLD.items()
            if fact in self.facts
        ]
        return f'PretrainedViT: {", ".join(told)}'

    def to_dict(self) -> dict:
        """Return plain containers, for json."""
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
