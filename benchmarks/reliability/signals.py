"""Send signals to trainings at every kind of moment; fill their disk; start two in one folder.

    python benchmarks/reliability/signals.py [WORD ...]

Words select the kinds of trials that contain one of them. Prints a table of what was tried and what
came out well, and exits with 1 unless all did. Takes some minutes; no GPU and no data are needed.
"""

import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from checkout import ROOT
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.registry import HOOKS, METRICS

from mae_transfer.processes.signal_watch import SIGNALS
from mae_transfer.run import train
from mae_transfer.run.errors import run_tool
from tests.support.least_squares import config
from tests.support.ranks import SERVER, torchrun_variables

PATIENCE_S = 120.0  # for anything to happen
LEFT_S = 3.0  # for the processes of a run to disappear after it
# Moment -> (method of a hook, at which call, step that one process saves, step of two).
MOMENTS = {
    'a step': ('after_train_iter', 4, 4, 5),
    'a validation': ('after_val_iter', 2, 6, 6),
    'saving': ('before_save_checkpoint', 1, 3, 4),
}


@HOOKS.register_module(force=True)
class WaitAt(Hook):
    """Say that a moment has come, and wait there for a file.

    Args:
        point: Method of a hook.
        call: Which call of it.
        folder: Where both files are.
    """

    priority = 'VERY_HIGH'

    def __init__(self, point: str, call: int, folder: str) -> None:
        self.calls, self.call, self.folder = 0, call, Path(folder)
        setattr(self, point, self._wait)

    def _wait(self, *args: object, **kwargs: object) -> None:
        self.calls += 1
        if self.calls == self.call:
            (self.folder / f'here{os.environ.get("RANK", 0)}').touch()
            wait_for(lambda: (self.folder / 'go').exists())


@HOOKS.register_module(force=True)
class FirstStep(Hook):
    """Write down the first step of a run, counted from 1."""

    def __init__(self, folder: str) -> None:
        self.file: Path | None = Path(folder, 'first_step')

    def after_train_iter(self, runner: Any, *args: object, **kwargs: object) -> None:
        """Write it once."""
        if self.file is not None:
            self.file.write_text(str(runner.iter + 1))
            self.file = None


@HOOKS.register_module(force=True)
class LimitFiles(Hook):
    """Let no file grow beyond some bytes after a step, as a quota or a full disk does."""

    priority = 'VERY_HIGH'

    def __init__(self, size: int, step: int = 4) -> None:
        self.size, self.step = size, step

    def after_train_iter(self, runner: Any, *args: object, **kwargs: object) -> None:
        """Set the limit."""
        if runner.iter + 1 == self.step:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, self.size))


@HOOKS.register_module(force=True)
class RemoveWorkDir(Hook):
    """Remove the work dir after a step."""

    priority = 'VERY_HIGH'

    def after_train_iter(self, runner: Any, *args: object, **kwargs: object) -> None:
        """Remove it."""
        if runner.iter + 1 == 4:
            shutil.rmtree(runner.work_dir)


@METRICS.register_module(force=True)
class NoMetric(BaseMetric):
    """A metric that is always 0.5."""

    def process(self, data_batch: object, data_samples: object) -> None:
        """Count the batch."""
        self.results.append(0.5)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Return it."""
        return {'acc': 0.5}


def small_run(work_dir: Path, *hooks: dict) -> Config:
    """Twelve steps with EMA, a validation after six, checkpoints every three, two data workers."""
    loop = dict(type='AccumulatingIterTrainLoop', max_iters=12, val_interval=6)
    cfg = config(2, 1, loop, work_dir)
    cfg.default_hooks.checkpoint = dict(type='AtomicCheckpointHook', by_epoch=False, interval=3)
    cfg.train_dataloader.num_workers = 2
    cfg.val_dataloader = {**cfg.train_dataloader, 'sampler': dict(type='DefaultSampler')}
    cfg.val_cfg, cfg.val_evaluator = dict(), dict(type='NoMetric')
    cfg.log_level, cfg.log_processor = 'INFO', dict(by_epoch=False)
    cfg.env_cfg = dict(dist_cfg=dict(backend='gloo'))
    backends = [dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]
    cfg.visualizer = dict(type='Visualizer', vis_backends=backends)
    cfg.custom_hooks = [dict(type='EMAHook'), *hooks]
    return cfg


def run_process(cfg: dict, options: dict, environment: dict[str, str], output: str) -> None:
    """Train as tools/train.py does, in a session of its own."""
    os.setsid()
    with open(output, 'w') as stream:  # by another process, as limits of files are this one's
        # of its own group, which is not signaled
        writer = subprocess.Popen(
            ['cat'], stdin=subprocess.PIPE, stdout=stream, preexec_fn=os.setpgrp
        )
    assert writer.stdin is not None, 'it is a pipe'
    os.dup2(writer.stdin.fileno(), 1)
    os.dup2(writer.stdin.fileno(), 2)
    writer.stdin.close()
    os.environ.update(environment, CUDA_VISIBLE_DEVICES='', TORCH_CPP_LOG_LEVEL='ERROR')
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    run_tool(lambda: train(Config(cfg), **options))


@dataclass
class Started:
    """Processes of one training."""

    processes: list
    outputs: list[Path]
    codes: list[int | None] = field(default_factory=list)

    def finish(self) -> str:
        """Wait for them; return what all of them printed."""
        deadline = time.monotonic() + PATIENCE_S
        for process in self.processes:
            process.join(max(deadline - time.monotonic(), 0))
        self.codes = [process.exitcode for process in self.processes]
        self.left_behind()  # until the output is written
        return '\n'.join(path.read_text(errors='replace') for path in self.outputs)

    def left_behind(self) -> list[str]:
        """List the processes of their sessions that are still there after a while."""
        sessions = {str(process.pid) for process in self.processes}
        deadline = time.monotonic() + LEFT_S
        while left := [line for line in living() if line.split()[3] in sessions]:
            if time.monotonic() > deadline:
                return left
            time.sleep(0.05)
        return []

    def kill(self) -> None:
        """End what is left of them."""
        for process in self.processes:
            for line in living():
                if line.split()[3] == str(process.pid):
                    os.kill(int(line.split()[0]), signal.SIGKILL)


def living() -> list[str]:
    """List 'pid state ppid session' of all processes that have not ended."""
    found = []
    for stat in Path('/proc').glob('[0-9]*/stat'):
        try:
            text = stat.read_text(errors='replace')
        except (FileNotFoundError, ProcessLookupError):  # ended meanwhile
            continue
        state, parent, _, session = text.rpartition(')')[2].split()[:4]
        if state not in 'ZX':
            found.append(f'{stat.parent.name} {state} {parent} {session}')
    return found


def start(folder: Path, cfg: Config, ranks: int = 1, **options: object) -> Started:
    """Start a training in some processes."""
    environments = torchrun_variables(ranks) if ranks > 1 else [{}]
    options = {**options, 'launcher': 'pytorch' if ranks > 1 else 'none'}
    outputs = [folder / f'output{rank}-{time.time_ns()}' for rank in range(ranks)]
    processes = [
        SERVER.Process(target=run_process, args=(cfg.to_dict(), options, environment, str(output)))
        for environment, output in zip(environments, outputs, strict=True)
    ]
    for process in processes:
        process.start()
    return Started(processes, outputs)


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(condition)
        time.sleep(0.01)


@contextmanager
def trial_folder() -> Iterator[Path]:
    """A folder for one trial."""
    with tempfile.TemporaryDirectory(prefix='mae-transfer-signals-') as folder:
        yield Path(folder)


def check(**facts: bool) -> str | None:
    """Return the facts that do not hold, or None."""
    return ', '.join(name for name, holds in facts.items() if not holds) or None


def stops(number: int, moment: str, ranks: int, to: str) -> str | None:
    """Send a signal once; return what went wrong."""
    point, call, *steps = MOMENTS[moment]
    with trial_folder() as folder:
        waiting = dict(type='WaitAt', point=point, call=call, folder=str(folder))
        cfg = small_run(folder / 'run', waiting)
        run = start(folder, cfg, ranks)
        try:
            wait_for(
                lambda: (
                    all((folder / f'here{rank}').exists() for rank in range(ranks))
                    or (point == 'before_save_checkpoint' and (folder / 'here0').exists())
                )
            )
            targets = run.processes[-1:] if to == 'one' else run.processes
            for process in targets:
                (os.killpg if to == 'group' else os.kill)(process.pid, number)
            (folder / 'go').touch()
            text = run.finish()
            step, name = steps[ranks - 1], signal.Signals(number).name
            if to == 'one' and f'after iteration {step + 1}:' in text and moment == 'saving':
                step += 1  # the second process does not save, so its next step may have begun
            file = folder / 'run' / f'iter_{step}.pth'
            line = f'stopped by {name} after iteration {step}: the checkpoint is {file}; '
            problem = check(
                exit_code=run.codes == [128 + number] * ranks,
                one_line=text.count('stopped by') == 1 and text.count(line) == 1,
                no_traceback='Traceback' not in text and 'Error' not in text,
                checkpoint=file.is_file(),
                no_process_left=not run.left_behind(),
                log_is_whole=logs_are_whole(folder / 'run'),
            )
            if problem:
                return f'{problem}; exit codes {run.codes}\n{text[-2000:]}'
            cfg.custom_hooks[1] = dict(type='FirstStep', folder=str(folder))
            resumed = start(folder, cfg, ranks, resume='latest')
            text = resumed.finish()
            problem = check(
                resumed=resumed.codes == [0] * ranks,
                at_next_step=(folder / 'first_step').read_text() == str(step + 1),
                to_the_end=(folder / 'run' / 'iter_12.pth').is_file(),
            )
            return f'{problem}\n{text[-2000:]}' if problem else None
        finally:
            run.kill()


def logs_are_whole(work_dir: Path) -> bool:
    """Return whether each line of the logged numbers is whole."""
    for file in work_dir.glob('2*/vis_data/scalars.json'):
        lines = file.read_text().splitlines(keepends=True)
        if not all(line.endswith('\n') and json.loads(line) for line in lines):
            return False
    return True


def ends_at_once(first: int, second: int, point: str) -> str | None:
    """Send two signals while a run is busy, or one before its first step."""
    with trial_folder() as folder:
        waiting = dict(type='WaitAt', point=point, call=1, folder=str(folder))
        run = start(folder, small_run(folder / 'run', waiting))
        try:
            wait_for(lambda: (folder / 'here0').exists())
            os.kill(run.processes[0].pid, first)
            if second:
                time.sleep(0.6)
                os.kill(run.processes[0].pid, second)
            before = time.monotonic()
            text = run.finish()
            problem = check(
                exit_code=run.codes == [128 + (second or first)],
                at_once=time.monotonic() - before < 5,
                one_line=text.count('stopped') == 1,
                no_traceback='Traceback' not in text,
                no_process_left=not run.left_behind(),
            )
            return f'{problem}; exit codes {run.codes}\n{text[-2000:]}' if problem else None
        finally:
            run.kill()


def says(hook: dict, words: str, checkpoint: bool) -> str | None:
    """Break the disk of a run; one sentence names it and what is left."""
    with trial_folder() as folder:
        run = start(folder, small_run(folder / 'run', hook))
        text = run.finish()
        run.kill()
        errors = [line for line in text.splitlines() if line.startswith('error: ')]
        problem = check(
            exit_code=run.codes == [2],
            one_sentence=len(errors) == 1 and words in errors[0] and str(folder) in errors[0],
            names_checkpoint=not checkpoint or f'{folder}/run/iter_' in ''.join(errors),
            no_traceback='Traceback' not in text,
            no_process_left=not run.left_behind(),
        )
        if problem or not checkpoint:
            return f'{problem}; exit codes {run.codes}\n{text[-2000:]}' if problem else None
        resumed = start(folder, small_run(folder / 'run'), resume='latest')
        text = resumed.finish()
        return None if resumed.codes == [0] else text[-2000:]


def is_kept_out(resume: bool, kill: bool) -> str | None:
    """Start a second run in the work dir of one that is alive, or that was killed."""
    with trial_folder() as folder:
        waiting = dict(type='WaitAt', point='after_train_iter', call=4, folder=str(folder))
        first = start(folder, small_run(folder / 'run', waiting))
        try:
            wait_for(lambda: (folder / 'here0').exists())
            if kill:
                first.kill()
            how = dict(resume='latest') if resume else dict(overwrite=True)
            second = start(folder, small_run(folder / 'run'), **how)
            text = second.finish()
            pid = first.processes[0].pid
            if kill:
                problem = check(exit_code=second.codes == [0], said='took over ' in text)
            else:
                problem = check(
                    exit_code=second.codes == [2],
                    named=f'in use by the run of process {pid} on ' in text,
                )
                (folder / 'go').touch()
                first.finish()
                problem = problem or check(first_is_untouched=first.codes == [0])
            return f'{problem}; exit codes {second.codes}\n{text[-2000:]}' if problem else None
        finally:
            first.kill()


def heed_interrupts() -> None:
    """Undo what a shell does to the jobs in its background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def tool_is_interrupted(seconds: float, tool: str) -> str | None:
    """Press Ctrl-C some seconds after the start of a tool, while it imports."""
    with trial_folder() as folder:
        command = [sys.executable, str(ROOT / 'tools' / f'{tool}.py')]
        command += [str(ROOT / 'tests/configs/tiny_mae.py'), *(['x.pth'] if tool == 'test' else [])]
        process = subprocess.Popen(
            command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True, preexec_fn=heed_interrupts,
        )  # fmt: skip
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGINT)
        text, _ = process.communicate(timeout=PATIENCE_S)
        problem = check(
            exit_code=process.returncode in (130, -signal.SIGINT),
            no_traceback='Traceback' not in text,
        )
        return f'{problem}; exit code {process.returncode}\n{text[-2000:]}' if problem else None


def trials() -> dict[str, list[Callable[[], str | None]]]:
    """All trials by their kind."""
    found: dict[str, list[Callable[[], str | None]]] = {}

    def add(kind: str, function: Callable[..., str | None], *arguments: object) -> None:
        found.setdefault(kind, []).append(lambda: function(*arguments))

    for moment, number in product(MOMENTS, SIGNALS):
        add(f'one process, during {moment}', stops, number, moment, 1, 'all')
        add(f'its group with the data workers, during {moment}', stops, number, moment, 1, 'group')
        add(f'one of two processes, during {moment}', stops, number, moment, 2, 'one')
        add(f'both of two processes, during {moment}', stops, number, moment, 2, 'all')
    for number in SIGNALS:
        add('second signal, during a step', ends_at_once, number, number, 'after_train_iter')
        add('second signal, during a validation', ends_at_once, 15, number, 'after_val_iter')
        add('second signal, during saving', ends_at_once, 15, number, 'before_save_checkpoint')
        add('before the first step', ends_at_once, number, 0, 'before_run')
    for seconds, tool in ((0.5, 'train'), (1.5, 'train'), (3.0, 'train'), (2.0, 'test')):
        add('Ctrl-C while a tool starts', tool_is_interrupted, seconds, tool)
    for size in (100, 1500, 8000, 13000):
        limit = dict(type='LimitFiles', size=size)
        add('no room on the disk', says, limit, 'File too large; the last whole', True)
    add('no room on the disk', says, dict(type='LimitFiles', size=100, step=1), 'too large', False)
    add('work dir removed', says, dict(type='RemoveWorkDir'), 'No such file', False)
    for resume in (True, False):
        add('second run in the work dir of a live one', is_kept_out, resume, False)
        add('run in the work dir of a killed one', is_kept_out, resume, True)
    return found


def main() -> int:
    """Run the trials; print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').partition('\n')[0])
    parser.add_argument('words', nargs='*', metavar='WORD', help='only kinds with one of these')
    words = parser.parse_args().words
    rows = []
    for kind, functions in trials().items():
        if words and not any(word in kind for word in words):
            continue
        problems = [problem for function in functions if (problem := function())]
        for problem in problems:
            print(f'{kind}: {problem}', file=sys.stderr, flush=True)
        rows.append((kind, len(functions), len(functions) - len(problems)))
        print(f'| {kind} | {rows[-1][1]} | {rows[-1][2]} |', file=sys.stderr, flush=True)
    print('\n| signal to, or else | tried | good |\n| --- | --- | --- |')
    rows.append(('all', sum(row[1] for row in rows), sum(row[2] for row in rows)))
    for kind, tried, good in rows:
        print(f'| {kind} | {tried} | {good} |')
    return int(rows[-1][1] != rows[-1][2])


if __name__ == '__main__':
    sys.exit(main())
