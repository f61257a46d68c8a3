"""What a transfer did with every tensor: the answer to "were my weights loaded?"."""

from dataclasses import asdict, dataclass, field


@dataclass
class LoadAccount:
    """Account of one load; every tensor of the encoder and of the file stands in it.

    Attributes:
        checkpoint: The file.
        layout: Whose names it has.
        loaded: Tensors of the encoder that now hold the file's values, resized ones included.
        changes: What was not copied as it is, one phrase each ('pos_embed 14x14 -> 32x32 bicubic').
        fresh: Group -> tensors of the encoder that keep their start by design: the file has none.
        unused: Group -> tensors of the file that this encoder has no place for, by design.
    """

    checkpoint: str
    layout: str
    loaded: list[str] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    fresh: dict[str, list[str]] = field(default_factory=dict)
    unused: dict[str, list[str]] = field(default_factory=dict)

    def summary(self) -> str:
        """Say it in one line, as it is logged."""
        parts = [f'{len(self.loaded)}/{len(self.loaded)} encoder tensors', *self.changes]
        for title, groups in (('fresh by design', self.fresh), ('unused', self.unused)):
            if groups:
                counts = ', '.join(f'{group} {len(names)}' for group, names in groups.items())
                parts.append(f'{title}: {counts}')
        return f'PretrainedViT: {self.layout} file {self.checkpoint}: ' + '; '.join(parts)

    def to_dict(self) -> dict:
        """Return plain containers, for json."""
        return asdict(self)
