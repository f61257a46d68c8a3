"""Account of a checkpoint loaded into a whole model: a detector, segmentor or classifier.

MMEngine only warns where names or shapes differ, and goes on with what was never loaded.
"""

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from torch import Tensor, nn

ENCODER = 'backbone.'


@dataclass
class ModelAccount:
    """What a checkpoint brings to a model; each tensor of either side is counted once.

    Attributes:
        checkpoint: The file.
        loaded: Tensors of the model that get the file's values.
        missing: Tensors of the model that the file lacks: they keep their start.
        misshapen: Tensors of another shape in the file, with both shapes: they keep their start.
        left_over: Tensors of the file that the model has no place for.
        let_pass: Those of the three that ``allow_partial`` names.
    """

    checkpoint: str
    loaded: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    misshapen: dict[str, str] = field(default_factory=dict)
    left_over: list[str] = field(default_factory=list)
    let_pass: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """Say it in one line, as it is logged."""
        total = len(self.loaded) + len(self.missing) + len(self.misshapen)
        parts = [f'{len(self.loaded)}/{total} tensors of the model', *self._problems()]
        if self.let_pass:
            parts.append(f'of these LET PASS by allow_partial: {len(self.let_pass)}')
        return f'checkpoint {self.checkpoint}: ' + '; '.join(parts)

    def _problems(self, names: set[str] | None = None) -> list[str]:
        """What does not match, ten names each, of the names that count."""
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
        """Raise where what was not loaded is more than the user can mean.

        Args:
            whole: Whether every tensor has to match (evaluation, resuming), or those of the encoder
                only (``load_from``: a head may be another one).

        Raises:
            ValueError: Naming up to ten tensors of each kind.
        """
        if not self.loaded:
            raise ValueError(
                f'{self.checkpoint} does not fit the model of the config: none of its tensors '
                f'does: {"; ".join(self._problems())}. A checkpoint of such a model is needed; a '
                'pre-trained encoder goes in by --pretrained, or by '
                "init_cfg=dict(type='PretrainedViT', checkpoint=...) of the backbone"
            )
        names = {*self.missing, *self.misshapen, *self.left_over} - set(self.let_pass)
        if not whole:
            names = {name for name in names if name.startswith(ENCODER)}
        problems = self._problems(names)
        if problems:
            part = 'model' if whole else 'encoder of the model'
            raise ValueError(
                f'{self.checkpoint} does not fit the {part} of the config: {"; ".join(problems)}. '
                'What may stay as it is can be named by --allow-partial of tools/train.py'
            )

    def to_dict(self) -> dict:
        """Return plain containers, for json."""
        return {'summary': self.summary()} | asdict(self)


def account_of_model(
    model: nn.Module,
    state_dict: Mapping[str, Tensor],
    checkpoint: str,
    allow_partial: Sequence[str] = (),
) -> ModelAccount:
    """Compare a checkpoint with the model that it is about to be loaded into.

    Args:
        model: Without the wrapper of distributed training.
        state_dict: The file's tensors; a leading 'module.' does not count, as in MMEngine.
        checkpoint: The file, for messages.
        allow_partial: Patterns (as of file names) of tensors that need not match.

    Returns:
        The account. Counters of batch norms are left out where the file lacks them, as in MMEngine.
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
