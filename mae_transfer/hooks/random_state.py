"""Saves the random states of every process in checkpoints, and restores them."""

from typing import Any

import torch
from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mae_transfer.loops.steady_order import ORDER_SEED
from mae_transfer.random_states import random_states, seed_random_states, set_random_states
from mae_transfer.registry import HOOKS

KEY = 'random_states'  # of a checkpoint: a list, one entry per process


@HOOKS.register_module()
class RandomStateHook(Hook):
    """Save the random states of every process in checkpoints, and restore them.

    Masks, drop paths, mixups and sampled boxes of a resumed run are then those of the run without
    an interruption. They are restored when all other hooks have prepared the training.

    A checkpoint may lack them: those of older versions do, and one with another number of processes
    does not say what each of them draws. The run then warns and starts from states that follow from
    the seed, the step and the rank.
    """

    priority = 'LOWEST'

    def __init__(self) -> None:
        self._gathered: list[dict[str, Any]] | None = None
        self._resumed: list[dict[str, Any]] | None = None

    def before_save_on_all_ranks(self, runner: Runner) -> None:
        """Gather the states; checkpoint hooks call this on all ranks, as only one rank saves."""
        self._gathered = all_gather_object(_states_of_next_step(runner))

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Add the states to a checkpoint; those of this process alone if none were gathered."""
        checkpoint[KEY] = self._gathered or [_states_of_next_step(runner)]
        self._gathered = None

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Take the states of a checkpoint that is resumed."""
        if runner._resume:
            self._resumed = checkpoint.get(KEY, [])

    def before_train(self, runner: Runner) -> None:
        """Restore the states of this process."""
        resumed, self._resumed = self._resumed, None
        if resumed is None:
            return
        reason = _reason_against(resumed)
        if reason is None:
            set_random_states(resumed[get_rank()])
            return
        seed = runner.message_hub.get_info(ORDER_SEED, runner.seed)
        # Three numbers: the keys of samples have four.
        seed_random_states((seed, get_rank(), runner.iter))
        runner.logger.warning(
            f'RandomStateHook: {reason}; masks, drop paths and mixups are not those of the former '
            'run, but drawn anew from the seed, the step and the rank'
        )


def _states_of_next_step(runner: Runner) -> dict[str, Any]:
    """Return the random states with which the next training step begins, in any loop."""
    return getattr(runner.train_loop, 'states_of_next_step', random_states)()


def _reason_against(resumed: list[dict[str, Any]]) -> str | None:
    """Say why the states of a checkpoint cannot be those of this run; None if they can."""
    if not resumed:
        return 'the checkpoint holds no random states, as those of older versions'
    if len(resumed) != get_world_size():
        return (
            f'the checkpoint holds the random states of {len(resumed)} processes, and this run has '
            f'{get_world_size()}'
        )
    if ('cuda' in resumed[0]) != torch.cuda.is_available():
        return 'the checkpoint was written on another kind of device, CPU or GPU'
    return None
