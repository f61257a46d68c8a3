"""Skips steps that are not finite, and goes back to a good checkpoint after several in a row."""

import math
import pickle
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_gather_object, broadcast_object_list, get_rank
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import FlexibleRunner, Runner
from torch import Tensor

from mae_transfer.first_few import first_few
from mae_transfer.hooks.atomic_checkpoint import checkpoint_hook
from mae_transfer.hooks.bare_model import bare_model
from mae_transfer.kept_steps.first_nonfinite import (
    is_finite,
    nonfinite_gradient,
    nonfinite_weight,
    run_parts,
    say_cause,
    watch_modules,
)
from mae_transfer.kept_steps.kept_step import (
    KeptStep,
    are_finite,
    as_before,
    keep_step,
    picture_names,
    running_statistics,
)
from mae_transfer.kept_steps.step_bundle import pack, write_bundle
from mae_transfer.loops.accumulation import AccumulatingEpochTrainLoop, AccumulatingIterTrainLoop
from mae_transfer.loops.roll_back import RollBack
from mae_transfer.optim.finite_steps import FiniteSteps, Outcome
from mae_transfer.registry import HOOKS
from mae_transfer.version import __version__

META = 'nonfinite_steps'  # in the meta data of a checkpoint
FOLDER = 'nonfinite'  # in the work dir
OWN_LOOPS = AccumulatingEpochTrainLoop | AccumulatingIterTrainLoop


class NonFiniteRunError(RuntimeError):
    """A run cannot go on, as its losses or gradients are not finite again and again."""


@HOOKS.register_module()
class NonFiniteGuardHook(Hook):
    """Skip a step that is not finite; after several in a row go back to a checkpoint.

    A step whose loss or gradient is not finite changes neither weights nor optimizer state. It is
    counted, the log names its pictures and the first module whose output is not finite, and the
    first few are kept in ``<work_dir>/nonfinite``, where ``tools/replay.py`` runs them again. The
    norm of the gradient is logged as ``grad_norm``, with or without clipping.

    All processes of a run skip, go back and stop at the same steps.

    Args:
        max_in_row: Skipped steps in a row after which the run goes back to its last good
            checkpoint and draws its data in another order, >= 1.
        max_rollbacks: How often a run may go back before it stops, >= 0.
        keep_bundles: Skipped steps to keep in the work dir, >= 0.

    Raises:
        ValueError: A number is out of range.
    """

    priority = 'VERY_HIGH'

    def __init__(self, max_in_row: int = 3, max_rollbacks: int = 3, keep_bundles: int = 3) -> None:
        for name, value, lowest in (
            ('max_in_row', max_in_row, 1),
            ('max_rollbacks', max_rollbacks, 0),
            ('keep_bundles', keep_bundles, 0),
        ):
            if not isinstance(value, int) or value < lowest:
                raise ValueError(
                    f'NonFiniteGuardHook({name}={value!r}): must be a whole number from {lowest}'
                )
        self.max_in_row = max_in_row
        self.max_rollbacks = max_rollbacks
        self.keep_bundles = keep_bundles
        self.skipped: list[int] = []  # iterations
        self.in_row = 0
        self.rollbacks = 0
        self._steps: FiniteSteps | None = None
        self._statistics: list[Tensor] = []
        self._good: str | None = None  # the last good checkpoint before the steps in a row
        self._saved = True  # whether there may be a checkpoint since the run last went back
        self._end: Exception | None = None

    # ---- around a run ------------------------------------------------------------------------

    def before_train(self, runner: Runner) -> None:
        """Start to watch the optimizer, after the run has been resumed."""
        wrapper = runner.optim_wrapper
        if isinstance(wrapper, OptimWrapperDict) or not isinstance(wrapper, OptimWrapper):
            runner.logger.warning(
                f'NonFiniteGuardHook does not guard this run: its optim_wrapper is of the type '
                f'{type(wrapper).__name__}, not one OptimWrapper'
            )
            return
        self._statistics = running_statistics(runner.model)
        # Running statistics are to be restored before anything averages or saves them.
        defer = False if self._statistics else None
        self._steps = FiniteSteps(wrapper, lambda outcome: self._learn(runner, outcome), defer)

    def after_train(self, runner: Runner) -> None:
        """Stop to watch; sum up what was skipped.

        Raises:
            NonFiniteRunError: The run would end with weights that are not finite.
        """
        if self._steps is None:
            return
        self._steps.settle()
        self._steps.detach()
        if self.skipped:
            runner.logger.warning(
                f'steps of this run that were skipped, as they were not finite: '
                f'{len(self.skipped)} (iteration {first_few(self.skipped)}); returns to an earlier '
                f'checkpoint: {self.rollbacks}'
            )
        self._check_weights(runner)

    def _check_weights(self, runner: Runner) -> None:
        """Refuse the weights of a last step after which no loss was computed any more."""
        model = bare_model(runner)
        wrong = next(filter(None, all_gather_object(nonfinite_weight(model))), None)
        if wrong:
            good = _last_good(runner)
            kept = f'the last good checkpoint is {good}' if good else 'there is no good checkpoint'
            raise NonFiniteRunError(
                f'the run ended at iteration {runner.iter} with weights that are not finite, the '
                f'first of them is {wrong}; {kept}; try a lower learning '
                'rate, optim_wrapper.clip_grad or float32'
            )

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Note what was skipped so far, if anything was."""
        self._saved = self._saved or not self.in_row
        if self.skipped:
            checkpoint['meta'][META] = dict(skipped=list(self.skipped), rollbacks=self.rollbacks)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Go on counting in a resumed run; in one that went back the count goes on by itself."""
        noted = checkpoint.get('meta', {}).get(META)
        if noted and runner._resume and self._steps is None:
            self.skipped, self.rollbacks = list(noted['skipped']), noted['rollbacks']

    # ---- around a step -----------------------------------------------------------------------

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Keep what the step starts from."""
        if self._steps is None:
            return
        loop = runner.train_loop
        parts = loop.parts if isinstance(loop, OWN_LOOPS) else [data_batch]
        self._steps.context = keep_step(runner.iter + 1, parts, self._statistics)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Go back or stop, if it is time to.

        Raises:
            RollBack: Several steps in a row were skipped.
            NonFiniteRunError: The run has gone back too often, or cannot go back.
        """
        if self._end is not None:
            assert self._steps is not None
            self._steps.forget()
            self.in_row, end, self._end = 0, self._end, None
            raise end

    def _learn(self, runner: Runner, outcome: Outcome) -> None:
        """Log the norm of a gradient; deal with a step that was skipped."""
        runner.message_hub.update_scalar('train/grad_norm', outcome.norm)
        if outcome.finite:
            self.in_row = 0
            return
        step: KeptStep = outcome.context
        self.skipped.append(step.iteration)
        self.in_row += 1
        with torch.no_grad():
            step.restore_statistics()
            facts = self._examine(runner, outcome)
        everyone = all_gather_object(facts)
        culprit = next((i for i, f in enumerate(everyone) if not math.isfinite(f['loss'])), 0)
        facts = everyone[culprit] | dict(process=culprit, processes=len(everyone))
        if self._good is None or (self.in_row == 1 and self._saved):
            self._good = _last_good(runner)  # checkpoints that follow are of the same weights
        kept = self._keep(runner, step, facts | dict(last_good=self._good))
        where = f' on process {culprit}' if len(everyone) > 1 else ''
        runner.logger.warning(
            f'iteration {step.iteration} was skipped: its loss is {facts["loss"]:.4g}{where}, '
            f'gradient norm {facts["norm"]:.4g}; pictures {first_few(facts["shown"])} (of '
            f'{len(facts["pictures"])}); {facts["cause"]}; {len(self.skipped)} skipped so far, '
            f'{self.in_row} in a row; {kept}'
        )
        if self.in_row >= self.max_in_row:
            self._end = self._choose_end(runner)

    def _examine(self, runner: Runner, outcome: Outcome) -> dict:
        """Find out where this process's part of a step ceased to be finite.

        Every process runs its forward pass again, as sharded models and batch norm over processes
        need all of them.
        """
        step: KeptStep = outcome.context
        model = bare_model(runner)
        names = [name for part in step.parts for name in picture_names(part)]
        fine = [value for part in step.parts for value in are_finite(part)]
        wrong = [name for name, value in zip(names, fine, strict=True) if not value]
        facts = dict(
            iteration=step.iteration,
            loss=float(outcome.loss),
            norm=outcome.norm,
            loss_scale=outcome.scale,
            pictures=names,
            wrong_pictures=wrong,
            shown=wrong or names,
            module=None,
            weight=nonfinite_weight(model),
            gradient=nonfinite_gradient(model) if outcome.has_gradient else None,
        )
        if not isinstance(model, BaseModel):
            facts['cause'] = f'the forward pass of a {type(model).__name__} cannot be repeated'
            return facts
        try:
            with as_before(model, step.random_states), watch_modules(model) as watched:
                run_parts(model, step.parts, lambda: runner.optim_wrapper.optim_context(model))
        except Exception as error:  # of the model's code: no reason to lose the run
            facts['cause'] = f'its forward pass failed when it was repeated: {error!r}'
            return facts
        first = watched.first_output()
        facts['module'] = first and first[0]
        facts['cause'] = say_cause(facts, first is None or first[1])
        return facts

    def _keep(self, runner: Runner, step: KeptStep, facts: dict) -> str:
        """Keep a step for ``tools/replay.py``; return where, in words. All processes call it."""
        folder = Path(runner.work_dir, FOLDER)
        told = ['']
        if get_rank() == 0:
            count = len(list(folder.glob('iter_*')))
            told = [f'{count} are kept already' if count >= self.keep_bundles else '']
        broadcast_object_list(told)
        if told[0]:
            return told[0]
        # The weights of a sharded model are on the first process alone, so that one writes.
        files: list = [None]
        if get_rank() == facts['process']:
            try:
                files = [pack(step.parts, step.random_states)]
            except (pickle.PicklingError, TypeError, AttributeError) as error:
                files = [f'not kept, as its batch cannot be written: {error}']
        broadcast_object_list(files, src=facts['process'])
        if isinstance(files[0], str):
            return files[0]
        weights = _weights(runner)
        if get_rank() == 0:
            told = [_write(runner, folder, files[0], weights, facts)]
        broadcast_object_list(told)
        return told[0]

    def _choose_end(self, runner: Runner) -> Exception:
        """Choose between going back and stopping."""
        good, loop = self._good, runner.train_loop
        row = f'{self.in_row} step{"" if self.in_row == 1 else "s"} in a row'
        if good is None:
            reason = 'there is no good checkpoint of this run yet to go back to'
        elif not isinstance(loop, OWN_LOOPS):
            reason = f'train_cfg.type={type(loop).__name__!r} cannot go back to a checkpoint'
        elif self.rollbacks >= self.max_rollbacks:
            reason = f'the run has gone back to a checkpoint {self.rollbacks} times already'
        else:
            self.rollbacks += 1
            self._saved = False
            runner.logger.warning(
                f'{row} {"was" if self.in_row == 1 else "were"} skipped, up to iteration '
                f'{self.skipped[-1]}: '
                f'the run goes back to {good} and draws its data in another order '
                f'({self.rollbacks} of at most {self.max_rollbacks} times)'
            )
            return RollBack(good)
        return NonFiniteRunError(
            f'the run stopped at iteration {self.skipped[-1]}: its loss or gradient was not finite '
            f'in {row} and in {len(self.skipped)} altogether (iteration '
            f'{first_few(self.skipped)}), and {reason}; look at the steps kept in '
            f'{Path(runner.work_dir, FOLDER)} with tools/replay.py, or try a lower learning rate, '
            'optim_wrapper.clip_grad or float32'
        )


def _last_good(runner: Runner) -> str | None:
    """Return the last good checkpoint of this run, the same on all processes."""
    found: list[str | None] = [None]
    if get_rank() == 0:
        hook = checkpoint_hook(runner)
        found = [hook and hook.last_good]
    broadcast_object_list(found)
    return found[0]


def _weights(runner: Runner) -> dict:
    """Return the weights of the model; of a sharded one, on the first process."""
    if isinstance(runner, FlexibleRunner):
        return runner.strategy.model_state_dict()
    return bare_model(runner).state_dict()


def _write(runner: Runner, folder: Path, files: dict, weights: dict, facts: dict) -> str:
    """Write a bundle; return where it is, or why it is not, in words."""
    name = f'iter_{facts["iteration"]}'
    path, times = folder / name, 1
    while path.exists():  # the run went back, and failed at the same iteration again
        times += 1
        path = folder / f'{name}_{times}'
    versions = dict(mae_transfer=__version__, torch=torch.__version__)
    tensors = [value for value in weights.values() if isinstance(value, Tensor)]
    kept = weights if all(map(is_finite, tensors)) else None
    incident = facts | dict(versions=versions, loss=str(facts['loss']), norm=str(facts['norm']))
    try:
        write_bundle(path, files, kept, runner.cfg, incident)
    except OSError as error:
        return f'not kept: {error}'
    return f'kept as {path}'
