"""Records the steps of loading or exporting a checkpoint: what was done to which tensors.

A function that fits tensors takes a dict of them and returns a new one with its steps. Accounts are
built from the steps, so no step depends on an account.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

Tensors = dict[str, Tensor]
Names = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Resized:
    """A tensor whose values were computed for another shape or grid.

    Attributes:
        old: Shape in the file.
        new: New shape.
        how: The rule, with the old and the new size, such as 'bicubic, 14x14 -> 32x32'.
    """

    old: tuple[int, ...]
    new: tuple[int, ...]
    how: str


@dataclass(frozen=True)
class Step:
    """Record of one step. Names are PlainViT's.

    Attributes:
        words: Description of the step; '' if the groups say it all.
        made_of: New name of a tensor -> names of those that it was made from.
        resized: Name -> how its values were recomputed.
        fresh: Group -> tensors of the encoder that keep their initial values by design.
        unused: Group -> tensors of the file that the encoder, by design, has no place for.
        let_pass: Reason -> tensors that would have been an error without ``allow_partial``.
    """

    words: str = ''
    made_of: Names = field(default_factory=dict)
    resized: Mapping[str, Resized] = field(default_factory=dict)
    fresh: Names = field(default_factory=dict)
    unused: Names = field(default_factory=dict)
    let_pass: Names = field(default_factory=dict)


Fitted = tuple[Tensors, list[Step]]
