"""A process whose launcher is gone gets SIGTERM."""

import os
import signal
import subprocess
import sys

from mae_transfer.processes import parent_watch
from tests.support.launches import is_alive, wait_until

CHILD = f"""
import runpy, signal, sys, time
def stop(*_):
    open(sys.argv[1] + '.stopped', 'w').close()
    sys.exit(143)
signal.signal(signal.SIGTERM, stop)
watch = runpy.run_path({parent_watch.__file__!r})['ParentWatch']()
watch.start()
open(sys.argv[1], 'w').close()
time.sleep(30)
"""
PARENT = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, '-c', {CHILD!r}, sys.argv[1]])
print(child.pid, flush=True)
time.sleep(30)
"""


def test_parent_watch__sends_sigterm_when_the_parent_is_gone(tmp_path):
    ready = tmp_path / 'ready'
    parent = subprocess.Popen(
        [sys.executable, '-c', PARENT, ready], stdout=subprocess.PIPE, text=True
    )
    child = int(parent.stdout.readline())
    assert wait_until(ready.exists)
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    try:
        assert wait_until(lambda: not is_alive(child), 10)
        assert ready.with_suffix('.stopped').exists()
    finally:
        if is_alive(child):
            os.kill(child, signal.SIGKILL)


def test_parent_watch__ends_when_told_so():
    watch = parent_watch.ParentWatch()
    watch.start()
    first = watch._stopped
    watch.start()
    assert first.is_set()
    watch.stop()
    assert watch._stopped.is_set()
