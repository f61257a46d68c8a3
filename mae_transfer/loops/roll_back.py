"""Asks a training loop to go back to an earlier checkpoint."""


class RollBack(Exception):
    """Raised by a hook in a training step, on every process: go on from a checkpoint.

    The loop restores the checkpoint and draws the data in another order from there on.

    Attributes:
        checkpoint: The file to go back to.
    """

    def __init__(self, checkpoint: str) -> None:
        super().__init__(checkpoint)
        self.checkpoint = checkpoint
