"""What a layout is: the names that one source of checkpoints gives to the parts of a ViT.

Names are written as templates: ``{i}`` is the number of a block, and a name that ends with a dot
stands for all that begin with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

KeyMap = tuple[tuple[str, str], ...]  # (their template, our template)


@dataclass(frozen=True)
class Layout:
    """Names that one source gives to the parts of a ViT, and what the source fixes.

    Attributes:
        name: As it is printed.
        signs: Templates (with the number of a block) that must all occur in the encoder's subtree.
        absent: Templates of which none may occur there.
        beside: Beginnings of names that must all occur in the file, whatever the subtree.
        container: Entry of the file that the tensors must lie in; '' = any.
        stated: Whether the file must (True) or must not (False) have our metadata; None = any.
        prefixes: Subtrees that the encoder may lie in; the first is the one that is written.
        keys: Names that differ from PlainViT's, by which the first that fits counts.
        packing: How query, key and value, or the positions, lie: a key of
            :data:`~mae_transfer.checkpoints.layouts.translate.PACKINGS`.
        outside: Pattern -> group, for what lies in the subtree and is no part of the encoder.
        decoder_prefix: Subtree of MAE's decoder; None = the source has none.
        decoder_keys: Names that differ from those of MAE's decoder, which ours has.
        heads: Width -> attention heads, where the source's code fixes them.
        facts: What else its code fixes, by the names of
            :meth:`~mae_transfer.backbones.plain_vit.PlainViT.metadata`.
    """

    name: str
    signs: tuple[str, ...]
    absent: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    container: str = ''
    stated: bool | None = None
    prefixes: tuple[str, ...] = ('',)
    keys: KeyMap = ()
    packing: str = 'fused'
    outside: tuple[tuple[str, str], ...] = ()
    decoder_prefix: str | None = None
    decoder_keys: KeyMap = ()
    heads: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))
    facts: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    def facts_of(self, embed_dims: int | None) -> dict:
        """What the layout says about an encoder of this width."""
        heads = None if embed_dims is None else self.heads.get(embed_dims)
        return dict(self.facts) | ({} if heads is None else {'num_heads': heads})
