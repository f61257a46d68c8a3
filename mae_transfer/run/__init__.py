"""Runs a config: options, data, checks, training and evaluation, from tools or from Python.

`tools/train.py` and `tools/test.py` call ``train`` and ``test``: the arguments and checks are the
same, and errors are exceptions.
"""

from mae_transfer.processes.signal_watch import RunStopped
from mae_transfer.run.result import Run
from mae_transfer.run.test import test
from mae_transfer.run.train import train

__all__ = ['Run', 'RunStopped', 'test', 'train']
