"""How a training run goes through its data: steps, resuming, rolling back."""

from mae_transfer.loops.accumulation import AccumulatingEpochTrainLoop, AccumulatingIterTrainLoop
from mae_transfer.loops.roll_back import RollBack

__all__ = ['AccumulatingEpochTrainLoop', 'AccumulatingIterTrainLoop', 'RollBack']
