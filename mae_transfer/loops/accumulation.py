"""Gradient accumulation whose iterations are optimizer steps.

MMEngine counts forward passes: with ``accumulative_counts=4`` a schedule of 1000 iterations makes
250 steps, and its learning rate moves within a step. Here the data loader draws the whole batch of
a step, the loop feeds it to the model part by part, and everything that counts iterations or epochs
(schedules, validation, checkpoints, logs, resume) counts steps. A recipe then stays the same recipe
on fewer or smaller GPUs: effective batch = processes x images x accumulation.
"""

from collections.abc import Callable, Sequence
from functools import partial

from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import FUNCTIONS
from mmengine.runner import BaseLoop, EpochBasedTrainLoop, IterBasedTrainLoop
from torch.utils.data import DataLoader

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
    """Let a data loader draw the images of a whole step, as a list of batches.

    Args:
        dataloader: Its config; ``batch_size`` = images of one forward pass. It is not changed.
        accumulative_counts: Forward passes of a step.
    """
    dataloader = dict(dataloader)
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


class _StepsFromParts(BaseLoop):
    """What the two loops share: a batch of the loader is a list, and makes one step."""

    _iter: int

    def __init__(self, runner, dataloader: dict, *args, **kwargs) -> None:
        self.accumulative_counts = runner.cfg.optim_wrapper.get('accumulative_counts', 1)
        super().__init__(runner, whole_step(dataloader, self.accumulative_counts), *args, **kwargs)
        # MMEngine's scaling of the learning rate looks here for the batch: that of a whole step.
        runner._train_dataloader = self.dataloader
        # The loop accumulates, so the wrapper, which is built after it, is not to count as well.
        runner.optim_wrapper = {**runner.optim_wrapper, 'accumulative_counts': 1}

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
        outputs = {name: sum(loss[name] for loss in losses) / len(losses) for name in losses[0]}
        runner.call_hook(
            'after_train_iter', batch_idx=batch_idx, data_batch=parts[-1], outputs=outputs
        )
        self._iter += 1


@LOOPS.register_module()
class AccumulatingEpochTrainLoop(_StepsFromParts, EpochBasedTrainLoop):
    """Epochs of steps of ``optim_wrapper.accumulative_counts`` forward passes each.

    Args:
        runner: The runner.
        dataloader: Config of the data loader; ``batch_size`` = images of one forward pass.
        max_epochs: Epochs.
        val_begin: First epoch that is followed by a validation.
        val_interval: Epochs between validations.
        dynamic_intervals: Further validation intervals, as pairs (first epoch, interval).
    """


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
        fast_forward_on_resume: Whether a resumed run skips to draw the data that it has seen.
    """


LOOPS_THAT_COUNT_STEPS = {
    'EpochBasedTrainLoop': 'AccumulatingEpochTrainLoop',
    'IterBasedTrainLoop': 'AccumulatingIterTrainLoop',
}


def count_steps(cfg: Config) -> str | None:
    """Make a config that accumulates gradients count optimizer steps.

    Args:
        cfg: The config of a training run, changed in place; nothing changes without accumulation.

    Returns:
        What there is to tell, or None.

    Raises:
        ValueError: ``accumulative_counts`` is no positive whole number, or the training loop is one
            of which it is not known what it counts.
    """
    counts = cfg.optim_wrapper.get('accumulative_counts', 1)
    if not isinstance(counts, int) or counts < 1:
        raise ValueError(
            f'optim_wrapper.accumulative_counts={counts!r}: must be a whole number from 1'
        )
    if counts == 1:
        return None
    by_epoch = cfg.train_cfg.pop('by_epoch', None)
    if by_epoch is not None:
        cfg.train_cfg.type = 'EpochBasedTrainLoop' if by_epoch else 'IterBasedTrainLoop'
    kind = cfg.train_cfg.get('type')
    if kind not in [*LOOPS_THAT_COUNT_STEPS, *LOOPS_THAT_COUNT_STEPS.values()]:
        raise ValueError(
            f'optim_wrapper.accumulative_counts={counts} works with train_cfg.type '
            f'{" or ".join(LOOPS_THAT_COUNT_STEPS)}, whose iterations become steps, not {kind!r}'
        )
    cfg.train_cfg.type = LOOPS_THAT_COUNT_STEPS.get(kind, kind)
    images = cfg.train_dataloader.batch_size
    return (
        f'one step = {counts} forward passes of {images} images a process; iterations, epochs and '
        'schedules count steps'
    )
