"""Tries what can go wrong with several processes: signals, kills, errors, wrong numbers, hangs.

    python benchmarks/reliability/launcher.py [--quick]

Prints a table for each kind and exits with 1 if anything was not good. Most processes are stand-ins
that import nothing slow; the last kind trains a tiny model in two processes, which takes some
minutes and is left out with `--quick`.
"""

import argparse
import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from checkout import ROOT

from tests.support.launches import (
    LAUNCH,
    STUB,
    Launch,
    free_port,
    is_alive,
    plain_environment,
    wait_until,
)

SIGNALS = ('SIGTERM', 'SIGINT', 'SIGUSR1', 'SIGHUP')
Row = tuple[str, bool, str]


def signals(folder: Callable[[], Path]) -> Iterator[Row]:
    """Signals to the launcher."""
    for name in SIGNALS:
        number = signal.Signals[name]
        run = Launch(folder(), 'child+stop+wait', 'child+stop+wait').ready().send(number)
        code, error = run.end()
        good = code == 128 + number and run.signals() == [name] * 2 and error.count('\n') == 1
        yield f'{name}: each process gets it once and is waited for', good and not run.left(), error

        run = Launch(folder(), 'wait', 'wait').ready().send(number)
        code, error = run.end()
        good = code == 128 + number and not run.left()
        # Python has a handler for SIGINT, which prints a traceback.
        good = good and (error.count('\n') == 1 or name == 'SIGINT')
        yield f'{name} to processes that do not handle it', good, error

        run = Launch(folder(), 'child+ignore+wait', 'ignore+wait').ready().send(number)
        time.sleep(0.4)  # signals of one moment count as one
        code, error = run.send(number).end(timeout_s=5)
        good = code == 128 + number and not run.left()
        yield f'{name} twice: all end at once', good, error
    run = Launch(folder(), 'stop+wait', 'ignore+wait', options=('--grace', '1')).ready()
    code, error = run.send(signal.SIGTERM).end()
    good = code == 137 and 'process 1 did not end within 1 s' in error and not run.left()
    yield 'a process that outlasts the grace is named and killed', good, error
    yield ctrl_c(folder())


def ctrl_c(folder: Path) -> Row:
    """Press Ctrl-C in a terminal of which the launcher is the foreground program."""
    keyboard, screen = os.openpty()

    def take_terminal() -> None:
        fcntl.ioctl(screen, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        [sys.executable, '-I', LAUNCH, '--processes', '2', STUB, folder, *['stop+wait'] * 2],
        env=plain_environment(), stdin=screen, stdout=screen, stderr=screen,
        start_new_session=True, preexec_fn=take_terminal,
    )  # fmt: skip
    started = [folder / f'{rank}.pids' for rank in range(2)]
    wait_until(lambda: all(file.exists() for file in started))
    os.write(keyboard, b'\x03')
    code = process.wait(timeout=20)
    got = [(folder / f'{rank}.signals').read_text().split() for rank in range(2)]
    os.close(screen)
    os.close(keyboard)
    return 'Ctrl-C in a terminal', code == 130 and got == [['SIGINT']] * 2, f'{code} {got}'


def kills(folder: Callable[[], Path]) -> Iterator[Row]:
    """Processes that are killed."""
    for what, action in (('handle SIGTERM', 'stop+wait'), ('do not handle it', 'wait')):
        run = Launch(folder(), action, action).ready().send(signal.SIGKILL)
        run.end()
        yield f'kill -9 of the launcher; its processes {what}', not run.left(), ''
    for name, hint in (('SIGKILL', 'out of memory'), ('SIGSEGV', ''), ('SIGBUS', '/dev/shm')):
        number = signal.Signals[name]
        actions = ['child+ignore+wait', f'child+kill:{number}']
        run = Launch(folder(), *actions, options=('--settle', '1'))
        code, error = run.end()
        good = code == 128 + number and f'(process 1): killed by {name}' in error
        yield f'a process dies of {name}', good and hint in error and not run.left(), error


def errors(folder: Callable[[], Path]) -> Iterator[Row]:
    """Errors of processes."""
    code, error = Launch(folder(), *['tell:no key lr+exit:2'] * 4).end()
    yield 'a mistake that 4 processes see', (code, error) == (2, 'error: no key lr\n'), error
    lost = 'lost:connection closed+exit:1'
    for late in (0, 0.5):
        bug = f'tell:boom+later:{late}+exit:1'
        code, error = Launch(folder(), lost, lost, bug, lost).end()
        good = (code, error) == (1, 'error (process 2): boom\n')
        yield f'a bug in 1 of 4, which ends {late} s after it', good, error
    actions = ['tell:one+exit:1', 'later:0.2+tell:other+exit:1']
    code, error = Launch(folder(), *actions).end()
    good = code == 1 and error.startswith('error (process 0): one\nprocess 1 failed as well')
    yield 'two errors that differ', good, error
    run = Launch(folder(), 'child+ignore+wait', 'exit:5', options=('--settle', '1'))
    code, error = run.end()
    good = code == 5 and error.count('\n') == 1 and not run.left()
    yield 'an exit without an error ends the others', good, error


def numbers(folder: Callable[[], Path]) -> Iterator[Row]:
    """Wrong numbers and ports."""
    two = {'NNODES': '2', 'MASTER_ADDR': 'localhost', 'PORT': '5000'}
    dist: list[tuple[str, dict[str, str]]] = [
        *((gpus, {}) for gpus in ('abc', '0', '-1', '1.5', '9' * 20, '')),
        *(('2', {'PORT': port}) for port in ('abc', '99999', '0', '-1')),
        *(('2', {'NNODES': nodes}) for nodes in ('abc', '0')),
        *(('2', {**two, 'NODE_RANK': rank}) for rank in ('abc', '2', '-1')),
        ('2', {**two, 'NODE_RANK': '1', 'MASTER_ADDR': 'no-such-machine.invalid'}),
        ('2', {'NNODES': '2'}),
        ('2', {'GRACE_SECONDS': 'abc'}),
    ]
    for gpus, more in dist:
        yield refused('dist_train.sh', ['c.py', gpus], more)
    slurm = [
        *({'GPUS': gpus} for gpus in ('abc', '0')),
        *({'GPUS_PER_NODE': gpus} for gpus in ('abc', '0', '9')),
        *({'CPUS_PER_TASK': cpus} for cpus in ('abc', '0')),
    ]
    for more in slurm:
        yield refused('slurm_train.sh', ['p', 'j', 'c.py'], more)
    for address in ('', '127.0.0.1'):
        with socket.create_server((address, 0)) as silent:
            port = str(silent.getsockname()[1])
            what, good, note = refused('dist_train.sh', ['c.py', '2'], {'PORT': port})
            yield f'PORT of a program that accepts and is silent ({address or "all"})', good, note
    program = folder() / 'nvidia-smi'
    program.write_text('#!/bin/sh\necho "GPU 0: A"; echo "GPU 1: B"\n')
    program.chmod(0o755)
    path = {'PATH': f'{program.parent}:{os.environ["PATH"]}'}
    what, good, note = refused('dist_train.sh', ['c.py', '3'], path)
    yield 'GPUS=3 on a machine with 2', good and 'has 2 GPUs' in note, note


def refused(script: str, arguments: list[str], more: dict[str, str]) -> Row:
    """Start a script that has to refuse its numbers at once."""
    start = time.monotonic()
    done = subprocess.run(
        ['bash', ROOT / 'tools' / script, *arguments], env=plain_environment(**more), text=True,
        capture_output=True, timeout=60,
    )  # fmt: skip
    good = done.returncode == 2 and re.fullmatch('error: .+\n', done.stderr) is not None
    told = ' '.join([*(f'{name}={value}' for name, value in more.items()), script, *arguments])
    return told, good and time.monotonic() - start < 10, done.stderr


def machines(folder: Callable[[], Path]) -> Iterator[Row]:
    """Two launchers, as on two machines."""
    for name in ('SIGTERM', 'SIGUSR1'):
        number, nodes = signal.Signals[name], Launch.of_two_machines(folder())
        for node in nodes:
            node.ready().send(number)
        codes = [node.end()[0] for node in nodes]
        good = codes == [128 + number] * 2 and not any(node.left() for node in nodes)
        yield f'{name} to both', good, f'{codes}'


HOOK = """
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

@HOOKS.register_module()
class Bug(Hook):
    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter == 3 and runner.rank == 1:
            [][3]
"""


# Variable by which the processes of a training are found.
MARK = 'TRAINING_FOLDER'


class Training:
    """Two processes that train a tiny model until they are stopped.

    Args:
        folder: Where everything is written.
        options: Keys of the config.
        launcher: Command before the tool; None is tools/dist_train.sh.
        bug: Whether the second process is to fail.
    """

    def __init__(
        self,
        folder: Path,
        *options: str,
        launcher: list[str] | None = None,
        bug: bool = False,
    ) -> None:
        self.folder = folder
        config = ROOT / 'tests' / 'configs' / 'tiny_mae.py'
        if bug:
            (folder / 'bug_in_one.py').write_text(HOOK)
            text = f"""_base_ = '{config}'
custom_imports = dict(imports=['mae_transfer.pretrain', 'bug_in_one'], allow_failed_imports=False)
custom_hooks = [dict(type='LoadAccountHook'), dict(type='EncoderMetadataHook'), dict(type='Bug')]
"""
            config = folder / 'tiny_mae_with_bug.py'
            config.write_text(text)
        pictures(folder / 'data' / 'train')
        if launcher is None:
            command = ['bash', str(ROOT / 'tools' / 'dist_train.sh'), str(config), '2']
        else:
            command = [*launcher, str(ROOT / 'tools' / 'train.py'), str(config)]
            command += ['--launcher', 'pytorch']
        self.output, self.error = folder / 'output.txt', folder / 'error.txt'
        with self.output.open('w') as output, self.error.open('w') as error:
            self.process = subprocess.Popen(
                [*command, '--work-dir', 'run', '--iters', '100000', '--cfg-options',
                 f'data.root={folder}/data', 'data.train_img=train',
                 'default_hooks.checkpoint.interval=100000',
                 'train_dataloader.num_workers=1', *options],
                cwd=folder, stdout=output, stderr=error, start_new_session=True,
                env=plain_environment(
                    OMP_NUM_THREADS='1', PYTHONPATH=f'{ROOT}:{folder}', **{MARK: str(folder)}
                ),
            )  # fmt: skip

    def ranks(self) -> list[int]:
        """The processes that train, in the order of their ranks."""
        found = {}
        for pid, given in self.processes().items():
            parent = re.search(r'PPid:\t(\d+)', Path(f'/proc/{pid}/status').read_text())
            if parent and int(parent[1]) == self.process.pid and 'RANK' in given:
                found[int(given['RANK'])] = pid
        return [found[rank] for rank in sorted(found)]

    def processes(self) -> dict[int, dict[str, str]]:
        """All processes of the run, workers of data loaders too, and their environments."""
        found = {}
        for process in Path('/proc').glob('[0-9]*'):
            try:
                environment = (process / 'environ').read_text().split('\0')
            except OSError:
                continue
            if f'{MARK}={self.folder}' in environment and is_alive(int(process.name)):
                found[int(process.name)] = dict(p.split('=', 1) for p in environment if '=' in p)
        return found

    def gone(self) -> bool:
        """Whether all end within a minute; ends those that have not."""
        good = wait_until(lambda: not self.processes(), 60)
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        return good

    def training(self) -> 'Training':
        """Wait for some steps."""
        reached = wait_until(lambda: 'Iter(train) [   ' in self.output.read_text(), 120)
        assert reached, self.error.read_text()
        time.sleep(1)
        return self

    def end(self, timeout_s: float = 120) -> tuple[int, str]:
        """Wait for the end; returns exit code and errors, without warnings of the frameworks."""
        code = self.process.wait(timeout=timeout_s)
        lines = self.error.read_text().splitlines(keepends=True)
        kept = [line for line in lines if 'Warning' not in line and not line.startswith('  ')]
        return code, ''.join(kept)

    def checkpoints(self) -> list[str]:
        """Names of the checkpoints."""
        return [path.name for path in (self.folder / 'run').glob('*.pth')]


def pictures(folder: Path) -> None:
    """Write some pictures of noise."""
    import numpy as np
    from PIL import Image

    folder.mkdir(parents=True)
    noise = np.random.default_rng(0)
    for number in range(8):
        pixels = noise.integers(0, 255, (72, 96, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f'{number}.png')


def trainings(folder: Callable[[], Path]) -> Iterator[Row]:
    """Trainings in two processes."""
    run = Training(folder(), 'model.backbone.nothing=3')
    code, error = run.end()
    good = code == 2 and re.fullmatch('error: .+\n', error) is not None
    yield 'a wrong key of the config', good, error

    code, error = Training(folder(), bug=True).end()
    good = code == 1 and error.startswith('error (process 1):') and error.count('Traceback') == 1
    yield 'a bug in one process', good and 'IndexError' in error, error

    short = 'env_cfg.dist_cfg.timeout=10'
    for rank in (0, 1):
        run = Training(folder(), short)
        wait_until(lambda run=run: len(run.ranks()) == 2, 20)
        time.sleep(1)
        os.kill(run.ranks()[rank], signal.SIGSTOP)
        code, error = run.end()
        good = code == 4 and re.fullmatch(f'error: process {rank} .+\n', error) is not None
        yield f'process {rank} frozen at its start', good and run.gone(), error

        run = Training(folder(), short).training()
        os.kill(run.ranks()[rank], signal.SIGSTOP)
        code, error = run.end()
        good = code == 4 and re.fullmatch(f'error: process {rank} .+pid.+\n', error) is not None
        yield f'process {rank} frozen in training', good and run.gone(), error

    run = Training(folder()).training()
    run.process.send_signal(signal.SIGTERM)
    code, error = run.end()
    good = code == 143 and 'Traceback' not in error and run.gone()
    yield 'SIGTERM: 143, nothing left', good, error
    yield 'SIGTERM: a checkpoint', len(run.checkpoints()) == 1, error

    torchrun = [sys.executable, '-m', 'torch.distributed.run', '--nproc-per-node', '2',
                '--master-port', free_port()]  # fmt: skip
    for name, launcher in (('our launcher', None), ('torchrun', torchrun)):
        run = Training(folder(), launcher=launcher).training()
        run.process.kill()
        run.process.wait()
        yield f'kill -9 of {name}: nothing left', run.gone(), ''
        yield f'kill -9 of {name}: a checkpoint', len(run.checkpoints()) == 1, ''


def main() -> int:
    """Print the tables; returns 1 if anything was not good."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').partition('\n')[0])
    parser.add_argument('--quick', action='store_true', help='without the trainings')
    kinds = [signals, kills, errors, numbers, machines]
    if not parser.parse_args().quick:
        kinds.append(trainings)
    bad, count = [], 0
    with tempfile.TemporaryDirectory(prefix='launcher-') as root:

        def folder() -> Path:
            return Path(tempfile.mkdtemp(dir=root))

        for kind in kinds:
            print(f'\n{kind.__doc__.strip(".")}\n\n| tried | good |\n| --- | --- |', flush=True)
            for tried, good, note in kind(folder):
                count += 1
                print(f'| {tried} | {"yes" if good else "NO"} |', flush=True)
                if not good:
                    bad.append(f'{tried}: {note.strip()[-600:]}')
    print(f'\n{count - len(bad)} of {count} good')
    for line in bad:
        print(f'not good: {line}')
    return int(bool(bad))


if __name__ == '__main__':
    sys.exit(main())
