"""Runs a test in a process that has the frameworks, but nothing of this repository.

Importing the frameworks takes most of the time of a short test. They are imported once; each test
then runs in a fork, which imports ``mae_transfer`` and the tests from the folder that it is given.
"""

import importlib
import multiprocessing
import os
import signal
import sys
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
FRAMEWORKS = (
    'torchvision', 'timm', 'matplotlib.figure', 'scipy.optimize', 'skimage', 'transformers',
    'mmdet.apis', 'mmdet.models', 'mmdet.datasets', 'mmseg.apis', 'mmseg.models', 'mmseg.datasets',
    'mmpretrain.apis', 'mmpretrain.models', 'mmpretrain.datasets', 'pycocotools.coco',
)  # fmt: skip
TIME_LIMIT = 600  # seconds: a mistake may make a test wait for ever


class Recorder:
    """Plugin of pytest that keeps what happened."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed: list[str] = []
        self.broken: list[str] = []

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a file that could not be read."""
        if report.failed:
            self.broken.append(f'{report.nodeid}: {report.longreprtext.splitlines()[-1]}')

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a test that failed, or that could not start."""
        if report.failed and report.when == 'call':
            self.failed.append(report.nodeid)
        elif report.failed:
            self.broken.append(f'{report.when} of {report.nodeid}')
        elif report.passed and report.when == 'call':
            self.passed += 1


def import_frameworks() -> None:
    """Import what tests import from elsewhere; mmcv needs our operators before."""
    stand_in = ModuleType('mae_transfer')  # without running its __init__.py, which imports all
    stand_in.__path__ = [str(ROOT / 'mae_transfer')]
    sys.modules['mae_transfer'] = stand_in
    importlib.import_module('mae_transfer.compat.mmcv_ops').install()
    for name in FRAMEWORKS:
        with suppress(ModuleNotFoundError):  # a test that needs it says so
            importlib.import_module(name)
    forget()


def forget() -> None:
    """Let the next import read this repository's modules anew."""
    for name in list(sys.modules):
        if name.split('.')[0] in ('mae_transfer', 'mae_transfer_command', 'tests', 'tools'):
            del sys.modules[name]


def run_tests(tree: Path, arguments: list[str], fresh: bool = False) -> tuple[str, str]:
    """Run tests in a process of their own.

    Args:
        tree: Root of a copy of the repository.
        arguments: Of pytest.
        fresh: Whether to start a new interpreter, which imports the frameworks itself.

    Returns:
        'passed', 'failed' (a test ran and failed) or 'broken' (nothing ran: a file could not be
        imported, a fixture raised, no such test, the time is over), and what failed.
    """
    context = multiprocessing.get_context('spawn' if fresh else 'fork')
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run_here, args=(sender, tree, arguments))
    process.start()
    sender.close()
    outcome = ('broken', f'no answer within {TIME_LIMIT} s')
    if receiver.poll(TIME_LIMIT):
        try:
            outcome = receiver.recv()
        except EOFError:
            outcome = ('broken', 'the process of the test died')
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.join()
    return outcome


def _run_here(sender: Connection, tree: Path, arguments: list[str]) -> None:
    """Answer through ``sender``; output of the tests goes to a file next to the tree."""
    os.setsid()  # what the tests start ends with them
    output = os.open(f'{tree}.log', os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    forget()
    os.chdir(tree)
    sys.path[:] = [str(tree)] + [
        entry for entry in sys.path if Path(entry or '.').resolve() not in (ROOT, tree)
    ]
    os.environ['PYTHONPATH'] = str(tree)
    os.environ['PYTHONDONTWRITEBYTECODE'] = '1'
    sys.dont_write_bytecode = True  # a file changes more than once in a second
    recorder = Recorder()
    code = pytest.main(
        ['-q', '--runslow', '-p', 'no:cacheprovider', f'--rootdir={tree}', *arguments],
        plugins=[recorder],
    )
    if recorder.failed:
        sender.send(('failed', recorder.failed[0]))
    elif recorder.broken:
        sender.send(('broken', recorder.broken[0]))
    elif recorder.passed:
        sender.send(('passed', ''))
    else:
        sender.send(('broken', f'no test ran, pytest ends with {code!r}'))
