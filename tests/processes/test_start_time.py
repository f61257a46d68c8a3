"""Whether a process lives, and since when."""

import os
import subprocess
import sys

from mae_transfer.processes.start_time import started_at


def test_started_at__alive_dead_and_impossible():
    child = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE)
    assert started_at(child.pid) >= started_at(os.getpid()) > 0
    child.communicate(b'\n')
    assert [started_at(pid) for pid in (child.pid, 0, -1, 2**70)] == [None] * 4


def test_started_at__a_process_that_nobody_waits_for_is_dead():
    child = subprocess.Popen([sys.executable, '-c', ''], stdout=subprocess.PIPE)
    child.stdout.read()  # it closes its output as it ends
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert started_at(child.pid) is None
    child.wait()
