"""Trains on data with broken pictures and masks, and tells whether each run ended as it should.

    python benchmarks/reliability/broken_pictures.py [WORD]    # only the runs whose name has WORD

Two broken files of 40 must be replaced, listed and summed up; 16 of 40 must stop the run with a
sentence, and so must a broken file of the validation. Models and data are tiny and made on the
spot. About five minutes on two cores. Exit code 1 if a run did not end as it should.
"""

import itertools
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import checkout  # noqa: F401  so that tests can be imported

from tests.support.broken_pictures import (
    DAMAGES,
    MASK_DAMAGES,
    TASKS,
    break_files,
    write_data,
)
from tests.support.ranks import torchrun_variables
from tests.support.tools import load_tool

SERVER = multiprocessing.get_context('forkserver')
SECONDS = 300
LISTED_FOLDERS = (
    'pretrain',
    'classify',
    'segment',
)  # a file that is missing there is not in the data


@dataclass
class Case:
    """A run on broken data.

    Attributes:
        kind: Row of the table.
        task: Of ``TASKS``.
        damage: Of ``MASK_DAMAGES``.
        where: 'pictures', 'masks' or 'validation'.
        broken: How many files of 40, or of the validation's 4.
        share: ``data.max_bad_share``.
        workers: Of the data loader.
        ranks: Processes.
    """

    kind: str
    task: str
    damage: str
    where: str = 'pictures'
    broken: int = 2
    share: float = 0.1
    workers: int = 0
    ranks: int = 1

    def __str__(self) -> str:
        return (
            f'{self.kind}: {self.task}, {self.broken} {self.where} {self.damage}, '
            f'{self.workers} workers, {self.ranks} processes'
        )


def cases() -> Iterator[Case]:
    """Yield all runs; each row takes turns with 0 and 2 workers, 1 and 2 processes."""
    turns = itertools.cycle([(0, 1), (2, 2), (2, 1), (0, 2)])

    def case(*values: object, **options: object) -> Case:
        workers, ranks = next(turns)
        return Case(*values, **options, workers=workers, ranks=ranks)

    for task in TASKS:
        for damage in DAMAGES:
            if not (damage == 'missing' and task in LISTED_FOLDERS):
                yield case('two of 40 are replaced', task, damage)
    for damage in MASK_DAMAGES:
        yield case('two of 40 are replaced', 'segment', damage, where='masks')
    for task, damage in zip(TASKS, ('half', 'text', 'empty', 'zeros'), strict=True):
        yield case('16 of 40 stop the run', task, damage, broken=16)
    yield case('16 of 40 stop the run', 'segment', 'half', where='masks', broken=16)
    for task in ('pretrain', 'detect'):
        yield case('a share of 0 stops at the first', task, 'half', broken=1, share=0.0)
    for task, damage in zip(TASKS[1:], ('empty', 'half', 'text'), strict=True):
        yield case('evaluation refuses a picture', task, damage, where='validation', broken=1)


def train(arguments: list[str], environment: dict[str, str], output: str) -> None:
    """Run `tools/train.py` in this process."""
    with open(output, 'w') as stream:
        os.dup2(stream.fileno(), sys.stdout.fileno())
        os.dup2(stream.fileno(), sys.stderr.fileno())
    os.environ.update(environment, OMP_NUM_THREADS='1', CUDA_VISIBLE_DEVICES='')
    sys.argv = ['train.py', *arguments]
    load_tool('train').main()


def run(case: Case, root: Path) -> str | None:
    """Train on broken data.

    Returns:
        What was wrong with the end of the run, or None.
    """
    pictures, masks, arguments = write_data(case.task, root / 'data')
    validation = sorted(path for path in (root / 'data').rglob('val*/**/*.jpg'))
    files = {'pictures': pictures, 'masks': masks, 'validation': validation}[case.where]
    broken = files[3 : 3 + case.broken]
    break_files(broken, case.damage)
    arguments += ['train_cfg.max_iters=24', f'data.max_bad_share={case.share}']
    arguments += [f'train_dataloader.num_workers={case.workers}']
    arguments += ['--work-dir', str(root / 'work')]
    if case.ranks > 1:
        arguments += ['--launcher', 'pytorch']
    environments = torchrun_variables(case.ranks) if case.ranks > 1 else [{}]
    outputs = [root / f'{rank}.txt' for rank in range(case.ranks)]
    processes = [
        SERVER.Process(target=train, args=(arguments, environment, str(output)))
        for environment, output in zip(environments, outputs, strict=True)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(SECONDS)
    codes = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
    return judge(case, codes, outputs[0].read_text(), broken, root / 'work' / 'bad_files.txt')


def judge(
    case: Case, codes: list[int | None], text: str, broken: list[Path], listed: Path
) -> str | None:
    """Return what was wrong with the end of a run, or None."""
    last = text.strip().splitlines()[-1] if text.strip() else ''
    if 'Traceback' in text:
        return f'a traceback: {last}'
    if case.kind.startswith('two'):
        if codes != [0] * case.ranks:
            return f'exit codes {codes}: {last}'
        lines = listed.read_text().splitlines() if listed.exists() else []
        names = [line.split('\t')[0] for line in lines]
        if sorted(names) != sorted(map(str, broken)):
            return f'bad_files.txt lists {names}'
        if not (last_summary := [line for line in text.splitlines() if 'were replaced' in line]):
            return 'no summary'
        told = last_summary[-1].partition('WARNING - ')[2]
        if not told.startswith('2 files') or any(str(path) not in told for path in broken):
            return f'the summary says {told}'
        return None
    if codes != [2] * case.ranks:
        return f'exit codes {codes}: {last}'
    needed = ['error: ', *([str(broken[0])] if case.broken == 1 else ['%', 'max_bad_share=0.1'])]
    if any(word not in last for word in needed):
        return f'the sentence is {last}'
    if case.where == 'validation' and 'Iter(train)' in text:
        return 'found only after the first step'
    return None


def main() -> None:
    """Entry point."""
    SERVER.set_forkserver_preload(['mae_transfer.run', 'mmdet.models', 'mmseg.models'])
    word = sys.argv[1] if len(sys.argv) > 1 else ''
    table: dict[str, list[bool]] = {}
    for case in cases():
        if word not in str(case):
            continue
        with tempfile.TemporaryDirectory() as folder:
            wrong = run(case, Path(folder))
        table.setdefault(case.kind, []).append(wrong is None)
        print(f'{"good" if wrong is None else "BAD "} {case}{f": {wrong}" if wrong else ""}')
        sys.stdout.flush()
    print('\n| what | tried | good |\n| --- | --- | --- |')
    for kind, results in table.items():
        print(f'| {kind} | {len(results)} | {sum(results)} |')
    sys.exit(0 if all(all(results) for results in table.values()) else 1)


if __name__ == '__main__':
    main()
