"""Keeps a training run in its order: when it is resumed, validated or rolled back."""

from typing import Any

from mmengine.dist import get_rank
from mmengine.runner import BaseLoop
from torch.utils.data import DataLoader

from mae_transfer.data.draws import DrawnBatches
from mae_transfer.random_states import random_states, seed_random_states, set_random_states

ORDER_SEED = 'order_seed'  # entries of the message hub, which each checkpoint holds
ROLL_BACKS = 'roll_backs'
EPOCH_BEGAN = 'epoch_began'
VALIDATION_DUE = 'due_validation'  # MMEngine logs what begins with 'val'

OTHER_ORDER = 1_000_003  # added to the seed of the order at each rollback


class SteadyOrder(BaseLoop):
    """What training loops need so that a resumed run is the same run.

    The seed of the order is in the message hub, and so in each checkpoint.

    Args:
        runner: The runner.
        dataloader: Built by :func:`mae_transfer.loops.steady_loader.steady_loader`.
        seed: The first seed of the order.
        args: Further arguments of the loop of MMEngine, as ``kwargs``.
    """

    dataloader: DataLoader
    _epoch: int
    _iter: int
    _max_epochs: int
    _max_iters: int

    def __init__(self, runner, dataloader: DataLoader, seed: int, *args, **kwargs) -> None:
        super().__init__(runner, dataloader, *args, **kwargs)
        self._before_validation: dict[str, Any] | None = None
        # A hub may be left from a run of the same name in this process.
        for name, value in ((ORDER_SEED, seed), (ROLL_BACKS, 0), (EPOCH_BEGAN, [0, 0])):
            runner.message_hub.update_info(name, value)
        runner.message_hub.update_info(VALIDATION_DUE, False)

    @property
    def batches(self) -> DrawnBatches:
        """The order of the data."""
        batches = self.dataloader.batch_sampler
        assert isinstance(batches, DrawnBatches)
        return batches

    @property
    def order_seed(self) -> int:
        """Seed of the order from here on: the run's, or after rollbacks another."""
        hub = self.runner.message_hub
        return hub.get_info(ORDER_SEED) + OTHER_ORDER * hub.get_info(ROLL_BACKS)

    def follow_order(self) -> None:
        """Take the order of the checkpoint that has been resumed, if it is another."""
        if self.batches.seed != self.order_seed:
            self.batches.reorder(self.order_seed)

    def states_of_next_step(self) -> dict[str, Any]:
        """Return the random states with which the next training step begins."""
        return self._before_validation or random_states()

    def validate(self) -> None:
        """Validate; the training goes on as if nothing had been drawn."""
        self._before_validation = random_states()
        self.runner.val_loop.run()
        set_random_states(self._before_validation)
        self._before_validation = None

    def validate_if_due(self, follows_anyway: bool = False) -> None:
        """Validate first if the run ended between a step and its validation.

        Args:
            follows_anyway: Whether the loop comes to that validation by itself.
        """
        hub = self.runner.message_hub
        due = hub.get_info(VALIDATION_DUE)
        hub.update_info(VALIDATION_DUE, False)
        if due and not follows_anyway and self.runner.val_loop is not None:
            self.runner.logger.info(f'validating step {self._iter}, where the run was cut off')
            self.validate()

    def roll_back(self, checkpoint: str) -> None:
        """Restore a checkpoint; the data come in another order from there on.

        The order and all random states follow from the seed and the number of rollbacks. Hooks that
        have a method ``after_roll_back(runner)`` may then forget what they remember of later steps.

        Args:
            checkpoint: The file.
        """
        runner = self.runner
        left, count = self._iter + 1, runner.message_hub.get_info(ROLL_BACKS) + 1
        resumed, runner._resume = runner._resume, True  # hooks restore their parts when resuming
        runner.resume(checkpoint)
        runner._resume = resumed
        runner.optim_wrapper.zero_grad()  # of the step that was broken off
        runner.message_hub.update_info(ROLL_BACKS, count)
        self.follow_order()
        # Three numbers: the keys of samples have four.
        seed_random_states((self.order_seed, get_rank(), self._iter))
        runner.call_hook('after_roll_back')
        runner.logger.warning(
            f'rolled back from step {left} to step {self._iter} of {checkpoint}: the data come in '
            f'another order from there on (rollback {count} of this run)'
        )
