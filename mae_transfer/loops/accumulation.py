"""Gradient accumulation whose iterations are optimizer steps.

MMEngine counts forward passes: with ``accumulative_counts=4`` a schedule of 1000 iterations makes
250 steps, and its learning rate moves within a step. Here the data loader draws the whole batch of
a step, the loop feeds it to the model part by part, and everything that counts iterations or epochs
(schedules, validation, checkpoints, logs, resume) counts steps. A recipe then stays the same recipe
on fewer or smaller GPUs: effective batch = processes x images x accumulation.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import FUNCTIONS
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop
from torch import nn
from torch.utils.data import DataLoader

from mae_transfer.data.readable import readable
from mae_transfer.loops.roll_back import RollBack
from mae_transfer.loops.steady_loader import first_order_seed, steady_loader
from mae_transfer.loops.steady_order import EPOCH_BEGAN, SteadyOrder
from mae_transfer.registry import LOOPS


def collate_in_parts(samples: Sequence, images: int, collate: Callable) -> list:
    """Turn the samples of one optimizer step into batches of at most ``images`` samples.

    Args:
        samples: What the data set returned, one item per image.
        images: Images of one forward pass.
        collate: Makes a batch of some samples.
    """
    return [collate(samples[i : i + images]) for i in range(0, len(samples), images)]


def whole_step(dataloader: dict, accumulative_counts: int) -> dict:
    """Let a data loader draw the images of a whole step, as a list of batches if it has several.

    Args:
        dataloader: Its config; ``batch_size`` = images of one forward pass. It is not changed.
        accumulative_counts: Forward passes of a step.

    Raises:
        TypeError: The data loader is not given as a config.
    """
    if not isinstance(dataloader, dict):
        raise TypeError(
            f'train_dataloader={dataloader!r}: must be a config, so that its order can be resumed'
        )
    dataloader = dict(dataloader)
    if accumulative_counts == 1:
        return dataloader
    images = dataloader['batch_size']
    collate = dict(dataloader.get('collate_fn') or dict(type=pseudo_collate))
    kind = collate.pop('type')
    function = FUNCTIONS.get(kind) if isinstance(kind, str) else kind
    dataloader['batch_size'] = images * accumulative_counts
    dataloader['collate_fn'] = dict(
        type=collate_in_parts,
        images=images,
        collate=partial(function, **collate),
    )
    return dataloader


def collate_one_pass(dataloader: DataLoader, samples: Sequence) -> dict:
    """Make one batch of some samples, with a data loader of either kind of training loop.

    Args:
        dataloader: A built data loader.
        samples: What its data set returned, one item per image.
    """
    collate = dataloader.collate_fn
    if isinstance(collate, partial) and collate.func is collate_in_parts:
        collate = collate.keywords['collate']
    return collate(list(samples))


class _StepsFromParts(SteadyOrder):
    """What the two loops share: a batch of the loader makes one step, in parts."""

    endless: bool

    def __init__(self, runner, dataloader: dict, *args, **kwargs) -> None:
        self.accumulative_counts = runner.cfg.optim_wrapper.get('accumulative_counts', 1)
        seed = first_order_seed(runner)
        whole = whole_step(readable(dataloader, runner.work_dir), self.accumulative_counts)
        loader = steady_loader(runner, whole, seed, self.endless)
        super().__init__(runner, loader, seed, *args, **kwargs)
        # MMEngine's scaling of the learning rate looks here for the batch: that of a whole step.
        runner._train_dataloader = whole
        # The loop accumulates, so the wrapper, which is built after it, is not to count as well.
        if self.accumulative_counts > 1:
            runner.optim_wrapper = {**runner.optim_wrapper, 'accumulative_counts': 1}

    def parts_of(self, batch: Any) -> list:
        """Return the parts of a step, one for each forward pass."""
        return batch if self.accumulative_counts > 1 else [batch]

    def run_iter(self, *args) -> None:
        """Accumulate the gradients of all parts of a batch and make one step.

        Hooks run once a step. They see the last part of the batch and the mean of the losses. All
        parts have the same weight: if the last part of an epoch is smaller, its samples weigh more.

        Args:
            args: The index of the batch, where the loop counts epochs, and its parts.
        """
        *index, parts = args
        batch_idx = index[0] if index else self._iter
        self.parts = parts  # hooks are given the last one alone
        runner, wrapper = self.runner, self.runner.optim_wrapper
        runner.call_hook('before_train_iter', batch_idx=batch_idx, data_batch=parts[-1])
        # Let the wrapper count the forward passes of this step alone; the last batch may be short.
        wrapper._accumulative_counts, wrapper._inner_count = len(parts), 0
        wrapper._max_counts = -1  # no end in sight
        losses = [runner.model.train_step(part, optim_wrapper=wrapper) for part in parts]
        outputs = losses[0]
        if len(losses) > 1:
            outputs = {name: sum(loss[name] for loss in losses) / len(losses) for name in outputs}
        runner.call_hook(
            'after_train_iter', batch_idx=batch_idx, data_batch=parts[-1], outputs=outputs
        )
        self._iter += 1

    def validate_at(self, progress: int, length: int) -> None:
        """Validate if the interval says so.

        Args:
            progress: Finished epochs or steps.
            length: Those of the run.
        """
        self._decide_current_val_interval()
        if (
            self.runner.val_loop is not None
            and progress >= self.val_begin
            and (progress % self.val_interval == 0 or progress == length)
        ):
            self.validate()


@LOOPS.register_module()
class AccumulatingEpochTrainLoop(_StepsFromParts, EpochBasedTrainLoop):
    """Epochs of steps of ``optim_wrapper.accumulative_counts`` forward passes each.

    A checkpoint of the middle of an epoch is resumed there.

    Args:
        runner: The runner.
        dataloader: Config of the data loader; ``batch_size`` = images of one forward pass.
        max_epochs: Epochs.
        val_begin: First epoch that is followed by a validation.
        val_interval: Epochs between validations.
        dynamic_intervals: Further validation intervals, as pairs (first epoch, interval).
    """

    endless = False

    def run(self) -> nn.Module:
        """Train from the start or from where the checkpoint was written."""
        self.follow_order()
        self.runner.call_hook('before_train')
        self.validate_if_due(follows_anyway=self.finished_steps() >= len(self.dataloader))
        while self._epoch < self._max_epochs and not self.stop_training:
            try:
                self.run_epoch()
            except RollBack as back:
                self.roll_back(back.checkpoint)
                continue
            self.validate_at(self._epoch, self._max_epochs)
        self.runner.call_hook('after_train')
        return self.runner.model

    def finished_steps(self) -> int:
        """Count the steps of the current epoch that have been made."""
        epoch, began = self.runner.message_hub.get_info(EPOCH_BEGAN)
        return self._iter - began if epoch == self._epoch else 0

    def run_epoch(self) -> None:
        """Make the steps of an epoch that are left."""
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        first = self.finished_steps()
        self.runner.message_hub.update_info(EPOCH_BEGAN, [self._epoch, self._iter - first])
        self.batches.start_at(self._epoch, first)
        for index, parts in enumerate(map(self.parts_of, self.dataloader), first):
            self.run_iter(index, parts)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1


@LOOPS.register_module()
class AccumulatingIterTrainLoop(_StepsFromParts, IterBasedTrainLoop):
    """Iterations that are steps of ``optim_wrapper.accumulative_counts`` forward passes each.

    Args:
        runner: The runner.
        dataloader: Config of the data loader; ``batch_size`` = images of one forward pass.
        max_iters: Steps.
        val_begin: First step that may be followed by a validation.
        val_interval: Steps between validations.
        dynamic_intervals: Further validation intervals, as pairs (first step, interval).
        fast_forward_on_resume: Without effect: a resumed run goes on in its order and never decodes
            data that it has seen.
    """

    endless = True

    def run(self) -> nn.Module:
        """Train from the start or from where the checkpoint was written."""
        self.follow_order()
        self.runner.call_hook('before_train')
        self.runner.call_hook('before_train_epoch')
        self.validate_if_due()
        self.dataloader_iterator = self.batches_from_here()
        while self._iter < self._max_iters and not self.stop_training:
            self.runner.model.train()
            try:
                self.run_iter(next(self.dataloader_iterator))
            except RollBack as back:
                self.roll_back(back.checkpoint)
                self.dataloader_iterator = self.batches_from_here()
                continue
            self.validate_at(self._iter, self._max_iters)
        self.runner.call_hook('after_train_epoch')
        self.runner.call_hook('after_train')
        return self.runner.model

    def batches_from_here(self) -> Iterator:
        """Iterate over the parts of the steps that are left, and on."""
        self.batches.start_at(0, self._iter)
        return map(self.parts_of, iter(self.dataloader))


LOOPS_THAT_COUNT_STEPS = {
    'EpochBasedTrainLoop': 'AccumulatingEpochTrainLoop',
    'IterBasedTrainLoop': 'AccumulatingIterTrainLoop',
}


def count_steps(cfg: Config) -> str | None:
    """Make a config count optimizer steps, in an order that can be resumed.

    Args:
        cfg: The config of a training run, changed in place: a loop of MMEngine becomes the one of
            this package that counts the same unit.

    Returns:
        What there is to tell, or None.

    Raises:
        ValueError: ``accumulative_counts`` is no positive whole number, or it is above 1 and the
            training loop is one of which it is not known what it counts.
    """
    counts = cfg.optim_wrapper.get('accumulative_counts', 1)
    if not isinstance(counts, int) or counts < 1:
        raise ValueError(
            f'optim_wrapper.accumulative_counts={counts!r}: must be a whole number from 1'
        )
    by_epoch = cfg.train_cfg.pop('by_epoch', None)
    if by_epoch is not None:
        cfg.train_cfg.type = 'EpochBasedTrainLoop' if by_epoch else 'IterBasedTrainLoop'
    kind = cfg.train_cfg.get('type')
    if kind not in [*LOOPS_THAT_COUNT_STEPS, *LOOPS_THAT_COUNT_STEPS.values()]:
        known = ' or '.join(LOOPS_THAT_COUNT_STEPS)
        if counts > 1:
            raise ValueError(
                f'optim_wrapper.accumulative_counts={counts} works with train_cfg.type {known}, '
                f'whose iterations become steps, not {kind!r}'
            )
        return (
            f'WARNING: train_cfg.type={kind!r} is not known here: --resume goes on as that loop '
            f'does, which may see other data; with {known} a resumed run equals an uninterrupted '
            'one'
        )
    cfg.train_cfg.type = LOOPS_THAT_COUNT_STEPS.get(kind, kind)
    if counts == 1:
        return None
    images = cfg.train_dataloader.batch_size
    return (
        f'one step = {counts} forward passes of {images} images a process; iterations, epochs and '
        'schedules count steps'
    )
