"""Resumes a run with the options that it is given now, and says what changed.

MMEngine's resume restores the former rates, decays and schedules, whatever the config says.
"""

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mae_transfer.checkpoints.files.run_state import check_run_state
from mae_transfer.hooks.bare_model import bare_model
from mae_transfer.hooks.load_account import LoadAccountHook
from mae_transfer.loops.steady_order import ORDER_SEED
from mae_transfer.optim.schedule_ahead import FreshSchedule
from mae_transfer.run.changed_options import (
    changed_seed,
    model_changes,
    refuse_changes,
    tell_changes,
)
from mae_transfer.run.plain_data import Plain
from mae_transfer.run.resumed_state import change_position, change_state
from mae_transfer.run.run_facts import KEY, VERSION, gather_facts


class ResumedOptionsHook(Hook):
    """Write the facts of the run into checkpoints, and compare them when one is resumed.

    Each option that changed is applied and told with its old and new value, or refused. The hook
    changes the content of the checkpoint before MMEngine reads it, so it works in each call of
    ``runner.resume``, also in one within the run.

    Raises:
        ValueError: An option changed with which the run cannot go on.
    """

    priority = 'HIGHEST'  # before a model that does not fit is refused tensor by tensor

    def __init__(self) -> None:
        self.facts: dict[str, Plain] | None = None
        self.fresh: FreshSchedule | None = None
        self.told: list[str] = []
        self.trains = False

    def before_train(self, runner: Runner) -> None:
        """Say what changed, now that nothing was refused."""
        self._gather(runner)
        self.trains = True
        for line in self.told:
            runner.logger.warning(f'--resume: {line}')

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Write the facts of the run."""
        if self.facts is not None:
            checkpoint['meta'][KEY] = self.facts

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Put the options of the run into the checkpoint that is resumed."""
        self._gather(runner)
        meta = checkpoint.get('meta') or {}
        if not (getattr(runner, '_resume', False) or self.trains) or 'iter' not in meta:
            return
        file = str(getattr(runner, '_load_from', None) or 'the checkpoint')
        check_run_state(checkpoint, file)  # what is compared and changed here has to be there
        old = meta.get(KEY)
        if self.facts is None or self.fresh is None or not self._is_known(old):
            self.told = [
                f'{file} does not state the options that it was trained with, so these could not '
                'be compared: the learning rate, its schedule and the settings of the optimizer '
                'are those of the checkpoint'
            ]
            return
        if old != self.facts:
            self._change(runner, checkpoint, old, file)

    def _change(self, runner: Runner, checkpoint: dict, old: Plain, file: str) -> None:
        assert self.facts is not None and self.fresh is not None
        new, meta = self.facts, checkpoint['meta']
        refuse_changes(old, new, file)
        _check_model(runner, checkpoint, model_changes(old, new), file)
        renumbered = change_position(meta, old, new, file)
        told = change_state(checkpoint, old, new, self.fresh, renumbered)
        seed = changed_seed(old, new)
        if seed is not None:
            meta['seed'] = seed  # MMEngine would go back to that of the checkpoint
            _follow_own_order(runner, checkpoint)
        scheduled = 'lr' in self.fresh.scheduled
        rate = checkpoint['optimizer']['param_groups'][0]['lr'] if scheduled else None
        self.told = [*tell_changes(old, new, meta['iter'], rate), *told]

    def _is_known(self, facts: Plain) -> bool:
        """Return whether these are facts as this version states them."""
        own = self.facts or {}
        return (
            isinstance(facts, dict)
            and facts.get('version') == VERSION
            and facts.keys() == own.keys()
        )

    def _gather(self, runner: Runner) -> None:
        """List the facts once, before the run has changed its rates."""
        if self.fresh is None:
            self.facts = gather_facts(runner)
            if self.facts is not None:
                schedulers: Any = runner.param_schedulers
                self.fresh = FreshSchedule.of(runner.optim_wrapper, schedulers or [])


def _follow_own_order(runner: Runner, checkpoint: dict) -> None:
    """Keep the order of the data that the training loop has derived from the seed of the run."""
    hub = checkpoint.get('message_hub') or {}
    own = runner.message_hub.runtime_info.get(ORDER_SEED)
    if own is not None and 'runtime_info' in hub:
        hub['runtime_info'][ORDER_SEED] = own


def _check_model(runner: Runner, checkpoint: dict, changes: list[str], file: str) -> None:
    """Refuse options of the model that do not fit the weights of the checkpoint.

    Raises:
        ValueError: A tensor is missing or has another shape, unless some need not match.
    """
    partial = any(isinstance(hook, LoadAccountHook) and hook.allow_partial for hook in runner.hooks)
    if not changes or partial or 'state_dict' not in checkpoint:
        return
    own = {name: tuple(t.shape) for name, t in bare_model(runner).state_dict().items()}
    saved = {name: tuple(tensor.shape) for name, tensor in checkpoint['state_dict'].items()}
    wrong = sorted(name for name in own.keys() | saved.keys() if own.get(name) != saved.get(name))
    if wrong:
        first = wrong[0]
        raise ValueError(
            f'--resume: {", ".join(changes[:3])} does not fit {file}: {len(wrong)} tensors differ, '
            f'such as {first}, {saved.get(first, "absent")} -> {own.get(first, "absent")}; keep '
            'the former values, or start another run without --resume'
        )
