"""Refuses to evaluate a checkpoint on other classes than it was trained on."""

from mmengine.hooks import Hook
from mmengine.runner import Runner


class SameClassesHook(Hook):
    """Compare the class names in a checkpoint with those of the test data, if both have some.

    Args:
        checkpoint: The file, for the message.

    Raises:
        ValueError: They differ, in names or order; before the checkpoint is loaded.
    """

    def __init__(self, checkpoint: str) -> None:
        self.checkpoint = checkpoint

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compare them."""
        stated = checkpoint
        for part in ('meta', 'dataset_meta'):
            stated = stated.get(part) or {}
            if not isinstance(stated, dict):
                raise ValueError(f'{self.checkpoint}: its {part} is a {type(stated).__name__}')
        trained = stated.get('classes')
        tested = getattr(runner.test_loop.dataloader.dataset, 'metainfo', {}).get('classes')
        if (
            isinstance(trained, list | tuple)
            and trained
            and tested
            and list(trained) != list(tested)
        ):
            raise ValueError(
                f'{self.checkpoint} was trained on classes that differ from those of the test '
                f'data:\n  {list(trained)}\n  {list(tested)}'
            )
