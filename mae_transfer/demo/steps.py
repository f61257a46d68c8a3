"""Runs the steps of a plan (pre-train, fine-tune, evaluate) and shows their progress.

Each step runs train.py or test.py as a user would. A finished step leaves ``done.json`` next to its
logs and is not run again; an interrupted one resumes from its last checkpoint.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from mmengine.config import Config
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from mae_transfer.checkpoints.files.last_checkpoint import last_checkpoint
from mae_transfer.compat.atomic_write import write_atomically
from mae_transfer.demo.plans import Plan
from mae_transfer.run.places import ROOT, find_file

TOOLS = ROOT / 'tools'
TASK_METRICS = {'detection': ('box_AP', 'mask_AP'), 'segmentation': ('mIoU',)}
PROGRESS_LINE = re.compile(r'Iter\((?:train|test|val)\)\s*\[\s*(\d+)/(\d+)\]')
# Tells a config for pre-trained weights that random ones are intended.
RANDOM_WEIGHTS = 'model.backbone.init_cfg=None'


def iterations_of(config: str) -> int:
    """Return the length of a run from its config."""
    return Config.fromfile(
        find_file(config, 'CONFIG'), import_custom_modules=False
    ).train_cfg.max_iters


def pretrain_folder(plan: Plan, init: str, seed: int) -> Path:
    """Return the work dir of a pre-training."""
    return plan.root / f'seed-{seed}' / plan.starts[init].folder


def tokenizer_folder(plan: Plan, seed: int) -> Path:
    """Return the work dir of a tokenizer, which contains metrics.json."""
    return plan.root / f'seed-{seed}' / 'tokenizer'


def task_folder(plan: Plan, task: str, init: str, seed: int) -> Path:
    """Return the work dir of a fine-tuning, which contains metrics.json and predictions."""
    return plan.root / f'seed-{seed}' / f'{task}-{init.lower()}'


class StepRunner:
    """Runs a plan and shows its progress."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.progress = Progress(
            TextColumn('{task.description}'),
            BarColumn(),
            TextColumn('{task.completed}/{task.total}'),
            TimeElapsedColumn(),
            console=Console(),
        )

    def run(self) -> list[dict]:
        """Run the unfinished steps of the plan.

        Returns:
            A record per fine-tuning run; see ``mae_transfer.demo.results``.

        Raises:
            RuntimeError: A step failed; the message contains the end of its output.
        """
        with self.progress, ThreadPoolExecutor(self.plan.jobs) as pool:
            # No job waits for one submitted later, so waiting cannot deadlock.
            pretrained = {
                (init, seed): pool.submit(self.pretrain, init, seed)
                for init, start in self.plan.starts.items()
                for seed in self.plan.seeds
                if start.pretrain_config
            }
            runs = [
                pool.submit(self.transfer, task, init, seed, pretrained.get((init, seed)))
                for init, start in self.plan.starts.items()
                for seed in self.plan.seeds
                for task in start.task_configs
            ]
            try:
                records = [run.result() for run in runs]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return sorted(records, key=lambda r: (r['init'], r['task'], r['seed']))

    def pretrain(self, init: str, seed: int) -> Path:
        """Pre-train with one seed, after its tokenizer if any, and return the work dir.

        Raises:
            ValueError: ``init`` has no pre-training.
        """
        start, options = self.plan.starts[init], []
        if start.pretrain_config is None:
            raise ValueError(f'init={init!r} starts from random weights: nothing to pre-train')
        folder = pretrain_folder(self.plan, init, seed)
        if start.tokenizer_config:
            tokenizer = self.train_tokenizer(start.tokenizer_config, seed)
            options = [f'model.target_generator.checkpoint={tokenizer}']
        label = f'pre-training, {init}, seed {seed}'
        self._train(label, folder, start.pretrain_config, seed, options=options)
        return folder

    def train_tokenizer(self, config: str, seed: int) -> Path:
        """Train and evaluate a tokenizer; return the work dir, which contains metrics.json."""
        folder, label = tokenizer_folder(self.plan, seed), f'tokenizer, seed {seed}'
        self._train(label, folder, config, seed)
        self._evaluate(f'{label}, evaluation', folder, config)
        return folder

    def transfer(self, task: str, init: str, seed: int, pretrained: 'Future[Path] | None') -> dict:
        """Fine-tune and evaluate one task from one start; return its record."""
        config = self.plan.starts[init].task_configs[task]
        folder = task_folder(self.plan, task, init, seed)
        weights = ['--pretrained', str(pretrained.result())] if pretrained else []
        options = [] if pretrained else [RANDOM_WEIGHTS]
        label = f'{task}, {init} weights, seed {seed}'
        seconds = self._train(label, folder, config, seed, weights, options)
        pictures = ['--show-dir', str(folder / 'predictions')]
        pictures += ['--show-num', str(self.plan.pictures)]
        metrics = self._evaluate(f'{label}, evaluation', folder, config, pictures)
        return dict(
            task=task,
            init=init,
            seed=seed,
            **{metric: metrics[metric] for metric in TASK_METRICS[task]},
            iterations=iterations_of(config),
            seconds=seconds,
            config=config,
            checkpoint=str(last_checkpoint(folder)),
        )

    def _train(
        self,
        label: str,
        folder: Path,
        config: str,
        seed: int,
        weights: Sequence[str] = (),
        options: Sequence[str] = (),
    ) -> float:
        """Run train.py to its end, once; return the seconds it took."""
        command = [
            *('train.py', config, '--work-dir', str(folder), '--resume', *weights),
            *('--cfg-options', f'randomness.seed={seed}', *options),
        ]
        return self._step(label, command, folder / 'train')['seconds']

    def _evaluate(
        self, label: str, folder: Path, config: str, pictures: Sequence[str] = ()
    ) -> dict:
        """Run test.py, once; return metrics under the papers' names, in percent."""
        out = folder / 'metrics.json'
        command = [
            *('test.py', config, str(last_checkpoint(folder)), '--work-dir', str(folder / 'test')),
            *('--out', str(out), *pictures),
        ]
        self._step(label, command, folder / 'evaluation')
        return json.loads(out.read_text(encoding='utf-8'))['metrics']

    def _step(self, label: str, command: list[str], folder: Path) -> dict:
        """Run one tool, unless it has finished before.

        Raises:
            ValueError: The folder belongs to another command.
        """
        done, begun = folder / 'done.json', folder / 'command.json'
        if begun.is_file() and not _same(json.loads(begun.read_text(encoding='utf-8')), command):
            raise ValueError(
                f'{folder} contains a step of another comparison: remove {folder.parent}, or '
                'choose another --work-dir'
            )
        if done.is_file():
            self.progress.console.print(f'{label}: done already')
            return json.loads(done.read_text(encoding='utf-8'))
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(begun, json.dumps(command) + '\n')
        bar = self.progress.add_task(label, total=None)
        start = time.monotonic()
        output = self._call(command, folder / 'output.log', bar)
        if output.returncode:
            tail = (folder / 'output.log').read_text(encoding='utf-8').splitlines()[-25:]
            raise RuntimeError(
                f'{label} failed (exit code {output.returncode}); all output: '
                f'{folder / "output.log"}\n' + '\n'.join(tail)
            )
        step = dict(seconds=round(time.monotonic() - start, 1))
        write_atomically(done, json.dumps(step, indent=2) + '\n')
        self.progress.remove_task(bar)
        self.progress.console.print(f'{label}: {step["seconds"]:.0f} s')
        return step

    def _call(self, command: list[str], log: Path, bar: TaskID) -> subprocess.Popen:
        """Run a tool in a process; write its output to a file and show its progress."""
        threads = max(1, (os.cpu_count() or 1) // self.plan.jobs)
        process = subprocess.Popen(
            [sys.executable, str(TOOLS / command[0]), *command[1:]],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, 'OMP_NUM_THREADS': str(threads)},
        )
        assert process.stdout is not None, 'it is a pipe'
        with process, log.open('a', buffering=1, encoding='utf-8') as file:
            for line in process.stdout:
                file.write(line)
                found = PROGRESS_LINE.search(line)
                if found:
                    self.progress.update(bar, completed=int(found[1]), total=int(found[2]))
        return process


def _same(former: list[str], command: list[str]) -> bool:
    """Return whether two commands are equivalent; older ones lack the option for random weights."""
    return [word for word in former if word != RANDOM_WEIGHTS] == [
        word for word in command if word != RANDOM_WEIGHTS
    ]
