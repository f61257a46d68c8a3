"""Runs a test in a process that has the frameworks, but nothing of this repository.

Importing the frameworks takes most of the time of a short test. They are imported once; each test
then runs in a fork, which imports ``mae_transfer`` and the tests from the folder that it is given.
"""

import importlib
import io
import multiprocessing
import os
import signal
import sys
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field
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
# A test that fails by one of these has not seen what the mistake does.
NOT_A_FAILURE = ('ImportError', 'ModuleNotFoundError', 'NameError', 'SyntaxError')


@dataclass
class Outcome:
    """What became of the tests of one process: node ids, and words on what did not run."""

    passed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


class Recorder:
    """Plugin of pytest that fills an outcome."""

    def __init__(self) -> None:
        self.outcome = Outcome()

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a file that could not be read."""
        if report.failed:
            reason = report.longreprtext.strip().rpartition('\n')[2]
            self.outcome.broken.append(f'{report.nodeid} could not be read: {reason}')

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a test that passed or failed, or whose fixtures did."""
        reason = getattr(getattr(report.longrepr, 'reprcrash', None), 'message', '')
        if report.failed and (report.when != 'call' or reason.startswith(NOT_A_FAILURE)):
            self.outcome.broken.append(f'the {report.when} of {report.nodeid} raised {reason}')
        elif report.when == 'call' and not report.skipped:
            (self.outcome.failed if report.failed else self.outcome.passed).append(report.nodeid)


def import_frameworks() -> None:
    """Import what tests import from elsewhere; mmcv needs our operators before."""
    stand_in = ModuleType('mae_transfer')  # without running its __init__.py, which imports all
    stand_in.__path__ = [str(ROOT / 'mae_transfer')]
    sys.modules['mae_transfer'] = stand_in
    importlib.import_module('mae_transfer.compat.mmcv_ops').install()
    with redirect_stdout(io.StringIO()):  # they list other packages to install
        for name in FRAMEWORKS:
            with suppress(ModuleNotFoundError):  # a test that needs it says so
                importlib.import_module(name)
    forget('mae_transfer')


def forget(*packages: str) -> None:
    """Let the next import read the modules of these packages anew."""
    for name in list(sys.modules):
        if name.partition('.')[0] in packages:
            del sys.modules[name]


def run_tests(
    tree: Path, arguments: list[str], fresh: bool = False, seconds: float = 600
) -> Outcome:
    """Run tests in a process of their own.

    Args:
        tree: Root of a copy of the repository.
        arguments: Of pytest.
        fresh: Whether to start a new interpreter, which imports the frameworks itself.
        seconds: When to give up: a mistake may make a test wait for ever.

    Returns:
        What became of them. A process that dies or takes too long has one entry in ``broken``.
    """
    context = multiprocessing.get_context('spawn' if fresh else 'fork')
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run_here, args=(sender, tree, arguments))
    process.start()
    sender.close()
    try:
        if receiver.poll(seconds):
            return Outcome(*receiver.recv())
        return Outcome(broken=[f'no end within {seconds} s'])
    except EOFError:
        return Outcome(broken=['the process died'])
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # with what the tests started
        process.join()


def _run_here(sender: Connection, tree: Path, arguments: list[str]) -> None:
    """Send the outcome; the output of the tests goes to a file next to the tree."""
    os.setsid()
    output = os.open(f'{tree}.log', os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    forget('mae_transfer', 'mae_transfer_command', 'tests', 'tools')
    os.chdir(tree)
    elsewhere = [entry for entry in sys.path if Path(entry or '.').resolve() not in (ROOT, tree)]
    sys.path[:] = [str(tree), *elsewhere]
    os.environ['PYTHONPATH'] = str(tree)
    # A file may change twice in a second, which the time in compiled files does not tell.
    os.environ['PYTHONDONTWRITEBYTECODE'] = '1'
    sys.dont_write_bytecode = True
    recorder = Recorder()
    options = ['-q', '--runslow', '-p', 'no:cacheprovider', f'--rootdir={tree}']
    code = pytest.main([*options, *arguments], plugins=[recorder])
    outcome = recorder.outcome
    if not (outcome.passed or outcome.failed or outcome.broken):
        outcome.broken.append(f'no test ran, pytest ends with {code!r}')
    # As a tuple: for pickle, the class of this module is not that of the tree's.
    sender.send((outcome.passed, outcome.failed, outcome.broken))
