"""What a run does with a config, whoever starts it: options, data, checks, training, evaluation.

``train`` and ``test`` are what `tools/train.py` and `tools/test.py` call: same arguments, same
checks, same errors, as exceptions.
"""

from mae_transfer.run.test import test
from mae_transfer.run.train import Run, train

__all__ = ['Run', 'test', 'train']
