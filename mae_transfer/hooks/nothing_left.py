"""Reports a resumed run that has no iterations left."""

from mmengine.hooks import Hook
from mmengine.runner import Runner


class NothingLeftHook(Hook):
    """Warn if the checkpoint of a resumed run is already at the end of the run, or after it."""

    def before_train(self, runner: Runner) -> None:
        """Compare the iteration that was resumed with the length of the run."""
        if runner.iter >= runner.max_iters:
            runner.logger.warning(
                f'nothing is left to train: the checkpoint is at iteration {runner.iter}, and the '
                f'run has {runner.max_iters}. Give a longer --iters or --epochs'
            )
