"""Accounts for a checkpoint loaded into a whole model: a detector, segmentor or classifier.

MMEngine only warns if names or shapes differ, and continues with tensors that were never loaded.
"""

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from torch import Tensor, nn

ENCODER = 'backbone.'


@dataclass
class ModelAccount:
    """Account of a load into a whole model; each tensor of either side is counted once.

    Attributes:
        checkpoint: The file.
        loaded: Tensors of the model that get the file's values.
        missing: Tensors of the model that the file lacks; they keep their initial values.
        misshapen: Tensors whose shape in the file differs, with both shapes; they keep their
            initial values.
        left_over: Tensors of the file that the model has no place for.
        let_pass: Those of the three kinds that ``allow_partial`` covers.
    """

    checkpoint: str
    loaded: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    misshapen: dict[str, str] = field(default_factory=dict)
    left_over: list[str] = field(default_factory=list)
    let_pass: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """Summarize the account in one line for the log."""
        total = len(self.loaded) + len(self.missing) + len(self.misshapen)
        parts = [f'{len(self.loaded)}/{total} tensors of the model', *self._problems()]
        if self.let_pass:
            parts.append(f'of these LET PASS by allow_partial: {len(self.let_pass)}')
        return f'checkpoint {self.checkpoint}: ' + '; '.join(parts)

    def _problems(self, names: set[str] | None = None) -> list[str]:
        """List mismatches, up to ten names of each kind, restricted to ``names`` if given."""
        groups: tuple[tuple[str, list[str], dict[str, str]], ...] = (
            ('missing', self.missing, {}),
            ('left over', self.left_over, {}),
            ('of another shape', list(self.misshapen), self.misshapen),
        )
        problems = []
        for what, members, shapes in groups:
            members = [name for name in members if names is None or name in names]
            if members:
                shown = ', '.join(f'{n} {shapes[n]}' if n in shapes else n for n in members[:10])
                more = ', ...' if len(members) > 10 else ''
                problems.append(f'{len(members)} {what} ({shown}{more})')
        return problems

    def check(self, whole: bool) -> None:
        """Raise if tensors were not loaded that the user must have meant to load.

        Args:
            whole: Whether every tensor has to match (evaluation, resuming), or only those of the
                encoder (``load_from``, where the head may differ).

        Raises:
            ValueError: Names up to ten tensors of each kind.
        """
        if not self.loaded:
            raise ValueError(
                f'{self.checkpoint} does not fit the model of the config: none of its tensors '
                f'match: {"; ".join(self._problems())}. Give a checkpoint of such a model; to load '
                'a pre-trained encoder, use --pretrained, or set '
                "init_cfg=dict(type='PretrainedViT', checkpoint=...) in the backbone. Of other "
                "projects, this toolkit reads whole classifiers of MAE's and CAE's code only"
            )
        names = {*self.missing, *self.misshapen, *self.left_over} - set(self.let_pass)
        if not whole:
            names = {name for name in names if name.startswith(ENCODER)}
        problems = self._problems(names)
        if problems:
            part = 'model' if whole else 'encoder of the model'
            alone = '' if whole else 'To fit the encoder alone to this model, use --pretrained. '
            raise ValueError(
                f'{self.checkpoint} does not fit the {part} of the config: {"; ".join(problems)}. '
                f'{alone}To keep initial values on purpose, list tensors with --allow-partial of '
                'tools/train.py'
            )

    def to_dict(self) -> dict:
        """Return plain containers for json."""
        return {'summary': self.summary()} | asdict(self)


def account_of_model(
    model: nn.Module,
    state_dict: Mapping[str, Tensor],
    checkpoint: str,
    allow_partial: Sequence[str] = (),
) -> ModelAccount:
    """Compare a checkpoint with the model that it will be loaded into.

    Args:
        model: The model without the wrapper of distributed training.
        state_dict: The file's tensors; a leading 'module.' is ignored, as in MMEngine.
        checkpoint: The file, for messages.
        allow_partial: Patterns (wildcards ``*`` and ``?``) of tensors that need not match.

    Returns:
        The account. Batch-norm counters that the file lacks are omitted, as in MMEngine.
    """
    wanted = {name: tensor for name, tensor in model.state_dict().items() if tensor is not None}
    found = {re.sub(r'^module\.', '', name): tensor for name, tensor in state_dict.items()}
    account = ModelAccount(checkpoint)
    for name, tensor in wanted.items():
        if name not in found:
            if not name.endswith('num_batches_tracked'):
                account.missing.append(name)
        elif not isinstance(found[name], Tensor) or found[name].shape != tensor.shape:
            shape = tuple(getattr(found[name], 'shape', ()))
            account.misshapen[name] = f'{shape} instead of {tuple(tensor.shape)}'
        else:
            account.loaded.append(name)
    account.left_over = [name for name in found if name not in wanted]
    mismatched = [*account.missing, *account.misshapen, *account.left_over]
    account.let_pass = [
        name for name in mismatched if any(fnmatch.fnmatchcase(name, p) for p in allow_partial)
    ]
    return account
