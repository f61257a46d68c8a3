"""Ends a process because of an error, so that all processes of a run together say it once."""

import os
import sys
import traceback

from mae_transfer.compat.distributed import MissingProcessError, is_lost_connection
from mae_transfer.processes.heartbeat import HUNG
from mae_transfer.processes.launcher import end_process, has_own_launcher, tell_launcher
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
    code, role = 1, 'cause'
    if is_lost_connection(error):
        text, role = 'another process has ended or does not answer', 'consequence'
    elif isinstance(error, MissingProcessError):
        text, code, role = str(error), HUNG, 'run'
    elif sentence is not None:
        text, code = sentence, 2
    elif joined or by_us:
        text = '\n' + ''.join(traceback.format_exception(error)).rstrip()
    else:
        return
    if by_us:
        tell_launcher(text, role)
    else:
        sys.stdout.flush()
        number = os.environ.get('RANK') or os.environ.get('SLURM_PROCID') or '?'
        name = '' if is_main_process() and role != 'consequence' else f' (process {number})'
        line = f'error{name}: {text}'.replace(': \n', ':\n', 1)  # before a traceback
        print(line, file=sys.stderr, flush=True)
    if joined:
        end_process(code)
    sys.exit(code)
