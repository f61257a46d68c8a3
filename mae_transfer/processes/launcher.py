"""What a process of a run tells the launcher that started it: why it fails.

`mae_transfer/run/launch.py` gives each process a file for its error, and prints the first of them
once. Other launchers, such as torchrun, have no part in this: there a process prints its error.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path

# Set by mae_transfer/run/launch.py, which cannot import this file.
LAUNCHER_PID = 'MAE_TRANSFER_LAUNCHER_PID'
ERROR_FILE = 'MAE_TRANSFER_ERROR_FILE'


def has_own_launcher() -> bool:
    """Return whether our launcher started this very process and is still running."""
    return os.environ.get(LAUNCHER_PID) == str(os.getppid())


def tell_launcher(text: str, role: str) -> None:
    """Give the error that ends this process to our launcher, which prints that of one process.

    Args:
        text: The error, without the name of this process.
        role: 'cause' of the failure of a run; 'consequence' of the failure of another process; or
            'run', if it is not about this process, but about all.
    """
    told = {'when': time.time(), 'text': text, 'role': role}
    file = Path(os.environ[ERROR_FILE])
    part = file.with_suffix('.part')
    part.write_text(json.dumps(told), encoding='utf-8')
    os.replace(part, file)


def end_process(code: int) -> None:
    """End this process at once, without waiting for threads, other processes or the GPU.

    Args:
        code: Its exit code.
    """
    # In a thread, because a thread that hangs may hold the lock of a stream.
    flush = threading.Thread(target=_flush, daemon=True)
    flush.start()
    flush.join(timeout=1.0)
    os._exit(code)


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
