"""Plants mistakes, one after another, in copies of the tree, and runs the test of each."""

import multiprocessing
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.planted.fork import ROOT, import_frameworks, run_tests
from tests.planted.mistake import Mistake, plant

# Modules that the frameworks' imports use already: only a new interpreter sees a mistake there.
AT_IMPORT = 'mae_transfer/compat/'

_folder: Path  # of this process: its copy of the tree


def run_all(mistakes: Sequence[Mistake], jobs: int) -> Iterator[tuple[Mistake, str]]:
    """Plant all mistakes, ``jobs`` at a time.

    Args:
        mistakes: What to plant.
        jobs: Processes, each with a copy of the tree; the user's files are not changed.

    Yields:
        Each mistake in order, with '' if its test passes without it and fails with it, or else with
        what happened.
    """
    import_frameworks()
    context = multiprocessing.get_context('fork')
    tests = list(dict.fromkeys(mistake.test for mistake in mistakes))
    with (
        tempfile.TemporaryDirectory(prefix='mae-transfer-planted-') as folder,
        ProcessPoolExecutor(jobs, context, copy_tree, (folder,)) as pool,
    ):
        # Without mistakes many tests share a process; files stay together for their fixtures.
        tests.sort()
        size = -(-len(tests) // jobs)
        shares = [tests[i : i + size] for i in range(0, len(tests), size)]
        wrong = {test: what for share in pool.map(check_tests, shares) for test, what in share}
        planted = pool.map(check, (m for m in mistakes if m.test not in wrong))
        for mistake in mistakes:
            yield mistake, wrong[mistake.test] if mistake.test in wrong else next(planted)


def copy_tree(folder: str) -> None:
    """Copy what git tracks, or would track, to a folder of this process."""
    global _folder
    _folder = Path(folder, str(os.getpid()))
    command = ['git', 'ls-files', '--cached', '--others', '--exclude-standard', '-z']
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split('\0')):
        if os.path.lexists(ROOT / name):  # not one that is deleted, and not yet in the index
            (_folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, _folder / name, follow_symlinks=False)


def check_tests(tests: list[str]) -> list[tuple[str, str]]:
    """Run tests without a mistake; return those that do not pass, with what happened."""
    outcome = run_tests(_folder, tests, seconds=3600)
    passed, failed = ({_bare(node) for node in nodes} for nodes in (outcome.passed, outcome.failed))
    return [
        (test, f'fails without a mistake, too: {"; ".join(outcome.broken)}')
        for test in tests
        if _bare(test) in failed or _bare(test) not in passed
    ]


def _bare(node: str) -> str:
    return node.partition('[')[0]


def check(mistake: Mistake) -> str:
    """Plant one mistake in the copy of this process, run its test, and restore the file."""
    file = _folder / mistake.file
    text = file.read_text(encoding='utf-8')
    try:
        planted = plant(mistake, text)
        if mistake.file.endswith('.py'):
            compile(planted, mistake.file, 'exec')
    except (ValueError, SyntaxError) as error:
        return f'the entry is wrong: {error}'
    file.write_text(planted, encoding='utf-8')
    try:
        fresh = mistake.file.startswith(AT_IMPORT)
        outcome = run_tests(_folder, ['--exitfirst', mistake.test], fresh)
    finally:
        file.write_text(text, encoding='utf-8')
    if outcome.failed:
        return ''
    return f'NOT CAUGHT, {"; ".join(outcome.broken) or "the test passes"}'
