"""Steps of a checkpoint on its way, in or out: each says what it did to which tensors.

A function that fits tensors takes a dict of them and returns a new one with its steps. Accounts are
made from the steps, so no step needs to know of an account.
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
        new: Shape that it got.
        how: By which rule, with what it was and what it is: 'bicubic, 14x14 -> 32x32'.
    """

    old: tuple[int, ...]
    new: tuple[int, ...]
    how: str


@dataclass(frozen=True)
class Step:
    """What one step did. Names are PlainViT's.

    Attributes:
        words: What was done, in words; '' where the groups say all of it.
        made_of: New name of a tensor -> names of those that it was made of.
        resized: Name -> what was computed anew.
        fresh: Group -> tensors of the encoder that keep their start by design.
        unused: Group -> tensors of the file that the encoder has no place for, by design.
        let_pass: Reason -> tensors that would have been an error without ``allow_partial``.
    """

    words: str = ''
    made_of: Names = field(default_factory=dict)
    resized: Mapping[str, Resized] = field(default_factory=dict)
    fresh: Names = field(default_factory=dict)
    unused: Names = field(default_factory=dict)
    let_pass: Names = field(default_factory=dict)


Fitted = tuple[Tensors, list[Step]]
