"""Ends a process because of an error, so that all processes of a run together say it once."""

import os
import sys
import traceback

from mae_transfer.compat.distributed import MissingProcessError, is_lost_connection
from mae_transfer.compat.heartbeat import HUNG
from mae_transfer.compat.launcher import end_process, has_own_launcher, tell_launcher
from mae_transfer.run.processes import has_process_group, is_main_process


def end_with_error(error: Exception, sentence: str | None) -> None:
    """Report an error and end this process; return if a traceback is the best report.

    A user's mistake is one sentence, with exit code 2. An error that only says that another process
    has ended is one line, with exit code 1. If others have not joined, the exit code is 4. A bug
    keeps its traceback; if this process has joined others, it is printed here, because the rest of
    an orderly end may wait for them.

    Args:
        error: The error.
        sentence: The user's mistake in a sentence, or None if the error is a bug.
    """
    joined, by_us = has_process_group(), has_own_launcher()
    number = os.environ.get('RANK') or os.environ.get('SLURM_PROCID') or '?'
    lost = is_lost_connection(error)
    code = 1
    if lost:
        text = f'error (process {number}): another process has ended or does not answer'
    elif sentence is not None:
        code = HUNG if isinstance(error, MissingProcessError) else 2
        text = (
            f'error: {sentence}' if is_main_process() else f'error (process {number}): {sentence}'
        )
    elif joined or by_us:
        text = ''.join(traceback.format_exception(error)).rstrip()
        if by_us:
            text = f'error: process {number} failed\n{text}'
    else:
        return
    if by_us:
        tell_launcher(text, consequence=lost)
    else:
        sys.stdout.flush()
        print(text, file=sys.stderr, flush=True)
    if joined:
        end_process(code)
    sys.exit(code)
