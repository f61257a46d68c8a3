"""Lets the scripts of this folder, and the processes that they start, import the checkout's tests.

Each script imports this module before anything of the project. Processes compute on one thread.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

sys.path.insert(0, str(ROOT))
os.environ['PYTHONPATH'] = os.pathsep.join(
    filter(None, [str(ROOT), os.environ.get('PYTHONPATH', '')])
)
os.environ.setdefault('OMP_NUM_THREADS', '1')
