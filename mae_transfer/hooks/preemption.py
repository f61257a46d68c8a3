"""Ends a run at a signal after the current step, with a checkpoint of that step."""

import bisect
import logging
from collections.abc import Iterator, Sized
from contextlib import contextmanager

from mmengine.dist import is_main_process
from mmengine.hooks import EMAHook, Hook
from mmengine.runner import BaseLoop, EpochBasedTrainLoop, Runner
from torch.utils.data import DataLoader

from mae_transfer.hooks.atomic_checkpoint import checkpoint_hook
from mae_transfer.loops.steady_order import VALIDATION_DUE
from mae_transfer.processes.agreement import Agreement
from mae_transfer.processes.data_workers import protect_workers
from mae_transfer.processes.signal_watch import (
    RunStopped,
    active_watch,
    name_of,
    start_watch,
    stop_watch,
)
from mae_transfer.registry import HOOKS


@HOOKS.register_module()
class PreemptionHook(Hook):
    """Ends a run at SIGTERM, SIGINT, SIGUSR1 or SIGHUP, with a checkpoint of the step it was in.

    Slurm and clouds announce the end of a job with one of the first three, a terminal with the
    last. The current step ends; if another process of the run has got the signal, one more. Then
    all processes save one checkpoint, and leave with the exit code that shells give to the signal:
    128 + its number. A validation is left at once; the resumed run starts with it. A second signal
    ends a process without a checkpoint, wherever it is. Where the config has no
    ``AtomicCheckpointHook``, the run ends without a checkpoint, and says so.

    Raises:
        RunStopped: Out of the training, on all processes.
    """

    priority = 'LOWEST'  # after the step is saved, averaged (EMA) and its rates are set

    def __init__(self) -> None:
        self._agreement: Agreement | None = None  # in a training
        self._number = 0  # the signal that all processes know of
        self._due = False  # whether the run is stopped before a validation
        self._validating = self._started = self._stopped = False
        self._passes = self._common = 0
        self._trained = self._ends_epoch = False  # of this process's last step, if it made one

    def before_train(self, runner: Runner) -> None:
        """Let signals be noted, by this process and not by its data workers."""
        self._started = active_watch() is None
        watch = start_watch()
        if watch is not None:
            watch.at_once = False
        self._agreement = Agreement()
        protect_workers(runner.train_dataloader)
        if runner.val_loop is not None:
            protect_workers(runner.val_loop.dataloader)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: object = None) -> None:
        """Note whether this step is the last of its epoch."""
        loop = runner.train_loop
        by_epoch = isinstance(loop, EpochBasedTrainLoop)
        self._ends_epoch = by_epoch and batch_idx + 1 >= len(loop.dataloader)

    def after_train_iter(self, runner: Runner, *args: object, **kwargs: object) -> None:
        """Stop, unless this is the last step of an epoch, which then ends first."""
        self._trained = True
        if not self._agreed() or self._ends_epoch:
            return
        self._due = self._validation_follows(runner)
        if self._due or runner.iter + 1 < runner.max_iters:  # else the run is over
            self._stop(runner, runner.iter + 1)

    def after_train_epoch(self, runner: Runner) -> None:
        """Stop after the last step of an epoch, which has been saved as any other."""
        if not (self._number and isinstance(runner.train_loop, EpochBasedTrainLoop)):
            return
        self._due = self._validation_follows(runner)
        if self._due or runner.epoch + 1 < runner.max_epochs:
            self._stop(runner, runner.iter)

    def before_val(self, runner: Runner) -> None:
        """Find out how many steps of this validation all processes make."""
        if self._agreement is not None:
            self._validating, self._passes = True, 0
            self._common = self._agreement.least(_length(runner.val_loop.dataloader))

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: object = None,
        outputs: object = None,
    ) -> None:
        """Leave the validation; the checkpoint is that of the last training step."""
        self._passes += batch_idx == 0
        if not self._validating or batch_idx >= self._common:
            return
        if self._passes > 1 or not self._agreed():  # MMPretrain's EMA hook may validate twice
            return
        for hook in runner.hooks:
            if isinstance(hook, EMAHook) and getattr(hook, 'evaluate_on_ema', True):
                hook._swap_ema_parameters()  # back, as after a validation
        self._due = True
        steps = runner.iter
        with _before_counting(runner.train_loop):
            self._stop(runner, steps)

    def after_val(self, runner: Runner) -> None:
        """Note that the validation is over."""
        self._validating = False

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """State in each checkpoint whether a validation of its step is still due."""
        due = self._due or (not self._validating and self._validation_follows(runner))
        hub = checkpoint['message_hub']
        hub['runtime_info'][VALIDATION_DUE] = due
        hub['resumed_keys'][VALIDATION_DUE] = True

    def after_run(self, runner: Runner) -> None:
        """Restore the handlers; pass on a signal that came when nothing was left to stop."""
        if self._agreement is None:
            return
        self._number = self._number or self._agreement.now(_noted())
        if self._started:
            stop_watch()
        if self._number and not self._stopped:
            sentence = (
                f'stopped by {name_of(self._number)} after the last iteration: the run is complete'
            )
            _tell(runner, sentence)
            raise RunStopped(self._number, sentence)

    def _agreed(self) -> bool:
        """Return whether all processes know of a signal; all give the same answer."""
        assert self._agreement is not None, 'before_train makes it'
        self._number = self._number or self._agreement.exchange(_noted())
        return self._number > 0

    def _validation_follows(self, runner: Runner) -> bool:
        """Return whether the loop validates after the step, or epoch, that it has not counted."""
        loop = runner.train_loop
        if isinstance(loop, EpochBasedTrainLoop):
            ended, last = loop.epoch + 1, loop.max_epochs
        else:
            ended, last = loop.iter + 1, loop.max_iters
        if runner.val_loop is None or ended < loop.val_begin:
            return False
        if isinstance(loop, EpochBasedTrainLoop) and not self._ends_epoch:
            return False
        interval = loop.dynamic_intervals[bisect.bisect(loop.dynamic_milestones, ended + 1) - 1]
        return ended % interval == 0 or ended == last

    def _stop(self, runner: Runner, steps: int) -> None:
        """Save the step that has just ended, and leave.

        Args:
            runner: The runner, whose loop has not counted this step (or epoch) yet.
            steps: Steps that the training has made.
        """
        assert self._agreement is not None, 'before_train makes it'
        path = self._save(runner)
        self._agreement.wait()  # until the file is complete
        kept = (
            f'the checkpoint is {path}; --resume goes on from it'
            if path
            else 'it is not saved; --resume goes on from the last checkpoint before it, if any'
        )
        sentence = f'stopped by {name_of(self._number)} after iteration {steps}: {kept}'
        _tell(runner, sentence)
        self._stopped = True
        runner.call_hook('after_run')
        raise RunStopped(self._number, sentence, path)

    def _save(self, runner: Runner) -> str | None:
        """Save the last step; return the file, or None if there is none of this step."""
        if not self._trained:  # a resumed run that was to validate first
            return str(runner._load_from)
        hook = checkpoint_hook(runner)
        if hook is None:
            runner.logger.warning(
                'no AtomicCheckpointHook in this run, which could save its last step'
            )
            return None
        return hook.save_now(runner)


@contextmanager
def _before_counting(loop: BaseLoop) -> Iterator[None]:
    """Set a loop's counter back to where it is while its hooks save the last step or epoch."""
    counter = '_epoch' if isinstance(loop, EpochBasedTrainLoop) else '_iter'
    setattr(loop, counter, getattr(loop, counter) - 1)
    try:
        yield
    finally:
        setattr(loop, counter, getattr(loop, counter) + 1)


def _length(loader: DataLoader) -> int:
    """Return the number of batches of a loader; 0 if it is not known."""
    return len(loader) if isinstance(loader.dataset, Sized) else 0


def _noted() -> int:
    """Return the number of the signal that this process has got, or 0."""
    watch = active_watch()
    return watch.noted if watch is not None else 0


def _tell(runner: Runner, sentence: str) -> None:
    """Log a line, and print it if the log does not show warnings; on the first process only."""
    if not is_main_process():
        return
    runner.logger.warning(sentence)
    consoles = [h for h in runner.logger.handlers if not isinstance(h, logging.FileHandler)]
    if all(console.level > logging.WARNING for console in consoles):
        print(sentence, flush=True)
