"""Plants mistakes, one after another, in copies of the tree, and runs the test of each."""

import multiprocessing
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
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
    with (
        tempfile.TemporaryDirectory(prefix='mae-transfer-planted-') as folder,
        ProcessPoolExecutor(jobs, context, copy_tree, (folder,)) as pool,
    ):
        yield from zip(mistakes, pool.map(check, mistakes), strict=True)


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
    fresh = mistake.file.startswith(AT_IMPORT)
    before, what = passes(mistake.test, fresh)
    if before != 'passed':
        return f'{before} without the mistake: {what}'
    file.write_text(planted, encoding='utf-8')
    try:
        kind, what = run_tests(_folder, [mistake.test], fresh)
    finally:
        file.write_text(text, encoding='utf-8')
    if kind == 'passed':
        return 'NOT CAUGHT: the test passes'
    return '' if kind == 'failed' else f'NOT CAUGHT by a failure of the test, but {what}'


@cache
def passes(test: str, fresh: bool) -> tuple[str, str]:
    """Run a test without a mistake, once for all entries that name it."""
    return run_tests(_folder, [test], fresh)
