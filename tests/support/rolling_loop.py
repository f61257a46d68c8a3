"""A training loop that goes back to a checkpoint when a hook asks for it, and notes where."""

from mae_transfer.loops.accumulation import AccumulatingIterTrainLoop
from mae_transfer.loops.roll_back import RollBack
from mae_transfer.registry import LOOPS


@LOOPS.register_module()
class RollingLoop(AccumulatingIterTrainLoop):
    """Restores weights, optimizer and step; goes on with the next batch of the data."""

    rolled_back: list[tuple[int, str]]

    def run_iter(self, *args) -> None:
        try:
            super().run_iter(*args)
        except RollBack as back:
            self.rolled_back = [*getattr(self, 'rolled_back', []), (self._iter, back.checkpoint)]
            self.runner.resume(back.checkpoint)
