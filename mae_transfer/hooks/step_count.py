"""Tells the watch over the processes of a run that this one goes on."""

from mmengine.hooks import Hook

from mae_transfer.processes.heartbeat import count_step


class StepCountHook(Hook):
    """Counts each step of training, validation and test for the watch over the processes.

    See :mod:`mae_transfer.processes.heartbeat`. `mae_transfer.run` gives it to every runner.
    """

    priority = 'VERY_LOW'

    def after_train_iter(self, *args: object, **kwargs: object) -> None:
        """Count a step of training."""
        count_step()

    def after_val_iter(self, *args: object, **kwargs: object) -> None:
        """Count a step of validation."""
        count_step()

    def after_test_iter(self, *args: object, **kwargs: object) -> None:
        """Count a step of a test."""
        count_step()
