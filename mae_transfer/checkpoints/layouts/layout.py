"""Defines a layout: the names that one source of checkpoints gives to the parts of a ViT.

Names are written as templates: ``{i}`` is the number of a block, and a name that ends with a dot
matches all names that begin with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

KeyMap = tuple[tuple[str, str], ...]  # (their template, our template)


@dataclass(frozen=True)
class Layout:
    """Names that one source gives to the parts of a ViT, and the facts that its code fixes.

    Attributes:
        name: Name in messages.
        signs: Templates (with the number of a block) that must all occur in the encoder's subtree.
        absent: Templates that must not occur there.
        beside: Prefixes of names that must all occur in the file, in any subtree.
        container: Entry of the file that the tensors must be in; '' = any.
        stated: Whether the file must (True) or must not (False) have our metadata; None = any.
        prefixes: Subtrees that may contain the encoder; exports use the first.
        keys: Names that differ from PlainViT's; the first match applies.
        packing: How query, key and value, or the positions, are stored: a key of
            :data:`~mae_transfer.checkpoints.layouts.translate.PACKINGS`.
        outside: Pattern -> group, for tensors in the subtree that are not part of the encoder.
        decoder_prefix: Subtree of MAE's decoder; None = the source has none.
        decoder_keys: Names that differ from those of MAE's decoder, which ours shares.
        classifier: Names of what follows the encoder of a classifier -> those in the classifiers of
            our configs; tensors that no template matches are not exported.
        heads: Width -> attention heads, if the source's code fixes them.
        facts: Other facts that its code fixes, under the names of
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
    classifier: KeyMap = ()
    heads: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))
    facts: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    def facts_of(self, embed_dims: int | None) -> dict:
        """Return the facts that the layout fixes for an encoder of this width."""
        heads = None if embed_dims is None else self.heads.get(embed_dims)
        return dict(self.facts) | ({} if heads is None else {'num_heads': heads})
