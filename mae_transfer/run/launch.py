"""Starts the processes of a run on this machine, passes signals on to them and says why they fail.

    python -I mae_transfer/run/launch.py --processes 2 tools/train.py CONFIG --launcher pytorch

`tools/dist_train.sh` and `tools/dist_test.sh` use this. It is run by its path and needs nothing but
the standard library, because importing the package takes seconds; `-I` keeps the files beside it
from hiding modules of the standard library.

torchrun starts the same processes, and `--launcher pytorch` works under it as well. It is built to
restart workers, which a training that resumes from a checkpoint does not need, and it stops them
in ways that cost work: it kills 30 seconds after a signal, while a large checkpoint takes minutes;
it dies of SIGUSR1 and leaves its processes training; it prints a traceback of its own and exits
with 1 whatever happened. Its parts in `torch.distributed.elastic.multiprocessing` have the same
fixed order of events, and importing them imports torch.

What happens here instead:

- SIGTERM, SIGINT, SIGUSR1 or SIGHUP goes to each process once. Then they have `--grace` seconds to
  end, as a training does with a checkpoint. A second signal ends all at once.
- Each process has a session of its own, so that Ctrl-C in a terminal does not reach it directly.
  What a process leaves behind, such as workers of its data loader, is ended with it.
- If this launcher is killed, the kernel sends SIGTERM to the processes.
- If a process fails, the others are ended, and its error is printed once.

Exit code: 0; that of the process that failed first; 128 + N if that was killed by signal N, or if
all ended because of signal N.
"""

import argparse
import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP)
ORDERLY = {0, *(128 + number for number in STOPPING)}

# Seconds for the others to end after a process died of a signal that went to all: another may still
# be writing a checkpoint.
SETTLE_AFTER_SIGNAL_S = 30.0

# Signals within so many seconds are one request to end, as in
# mae_transfer/processes/signal_watch.py: a closed terminal, and systemd with SendSIGHUP, send two.
TWICE_S = 0.3

# What a process finds in its environment; mae_transfer/processes/launcher.py reads them.
LAUNCHER_PID = 'MAE_TRANSFER_LAUNCHER_PID'
ERROR_FILE = 'MAE_TRANSFER_ERROR_FILE'

PR_SET_PDEATHSIG = 1

HINTS = {
    signal.SIGKILL: 'most often because the machine, or the limit of the job, is out of memory: '
    'try fewer images (train_dataloader.batch_size) or workers (train_dataloader.num_workers)',
    signal.SIGBUS: 'most often because /dev/shm is full: try fewer workers '
    '(train_dataloader.num_workers)',
}


@dataclass
class Rank:
    """A process of the run.

    Attributes:
        number: Its rank among all machines.
        process: The running program.
        error_file: Where it writes its error.
        code: Its exit code once it has ended; -N if it was killed by signal N.
        ended: When it ended, by the clock of the system.
        killed: Whether it was ended from here.
    """

    number: int
    process: subprocess.Popen
    error_file: Path
    code: int | None = None
    ended: float = 0.0
    killed: bool = False

    def failed(self) -> bool:
        """Return whether it ended, not from here, and neither well nor by a signal as agreed."""
        return self.code is not None and not self.killed and self.code not in ORDERLY


@dataclass
class Failure:
    """Why a process failed.

    Attributes:
        rank: The process.
        when: When it happened, by the clock of the system.
        text: The reason, without the name of the process.
        role: 'cause'; 'consequence' of another failure; or 'run' for a reason that is not this
            process's, but the whole run's.
    """

    rank: Rank
    when: float
    text: str
    role: str = 'cause'


def main() -> int:
    """Start the processes and wait for them; returns the exit code."""
    args = parse_args()
    try:
        check_gpus(args.processes)
        port = reserve_port(args)
    except ValueError as error:
        say(f'error: {error}')
        return 2
    ignored = {number for number in STOPPING if signal.getsignal(number) == signal.SIG_IGN}
    # Blocked signals wait until they are asked for. Those that are ignored, as SIGHUP is under
    # nohup, stay ignored.
    waited = {*STOPPING, signal.SIGCHLD} - ignored
    former = signal.pthread_sigmask(signal.SIG_BLOCK, waited)
    folder = Path(tempfile.mkdtemp(prefix='mae-transfer-launch-'))
    ranks: list[Rank] = []
    try:
        for local_rank in range(args.processes):
            ranks.append(start(args, local_rank, port, folder, former))
        return wait_for(ranks, waited, args.grace, args.settle)
    finally:
        kill(ranks)
        shutil.rmtree(folder)
        if port.socket is not None:
            port.socket.close()


def parse_args() -> argparse.Namespace:
    """Command line; tools/launchers.sh has checked the numbers."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').partition('\n')[0])
    parser.add_argument('--processes', type=int, required=True, help='processes on this machine')
    parser.add_argument('--nodes', type=int, default=1, help='machines')
    parser.add_argument('--node-rank', type=int, default=0, help='number of this machine, from 0')
    parser.add_argument('--address', default='localhost', help='address of the first machine')
    parser.add_argument('--port', type=int, default=0, help='port there; 0 = any that is free')
    parser.add_argument('--grace', type=float, default=600.0, help='seconds to end after a signal')
    parser.add_argument(
        '--settle',
        type=float,
        default=5.0,
        help='seconds for the others to say what they see, after a process failed',
    )
    parser.add_argument('script', help='program of each process')
    parser.add_argument('arguments', nargs=argparse.REMAINDER, help='its arguments')
    return parser.parse_args()


def check_gpus(processes: int) -> None:
    """Refuse more processes than GPUs, if the driver's own program can count these.

    Each process checks this again for itself, once it has imported torch.

    Args:
        processes: Processes on this machine.

    Raises:
        ValueError: There are GPUs, but fewer.
    """
    visible = os.environ.get('CUDA_VISIBLE_DEVICES')
    program = shutil.which('nvidia-smi')
    if program is None or (visible is not None and visible.strip() in ('', '-1')):
        return
    try:
        listed = subprocess.run(
            [program, '--list-gpus'], capture_output=True, text=True, timeout=20, check=False
        ).stdout.splitlines()
    except subprocess.TimeoutExpired:
        say('WARNING: nvidia-smi does not answer, so the GPUs are not counted')
        return
    if any(line.lstrip().startswith('MIG') for line in listed):
        return  # parts of a GPU: how many a process can use is not for this program to say
    count, shown = sum(line.startswith('GPU ') for line in listed), ''
    if visible is not None:
        count = min(count, len(visible.split(',')))
        shown = f' that CUDA_VISIBLE_DEVICES={visible} shows'
    if 0 < count < processes:
        raise ValueError(
            f'GPUS={processes}, but this machine has {count} GPUs{shown}: start at most {count} '
            'processes here, or none on GPUs with CUDA_VISIBLE_DEVICES=-1'
        )


@dataclass
class Port:
    """Where the processes meet.

    Attributes:
        number: The port on the first machine.
        socket: Keeps the port from other programs; None on the other machines.
    """

    number: int
    socket: socket.socket | None


def reserve_port(args: argparse.Namespace) -> Port:
    """Take the port on the first machine; check the address of that machine on the others.

    The socket is bound but does not listen. With SO_REUSEADDR, which PyTorch's store sets, too, the
    first process can listen on the port, while the system gives it to nobody else.

    Args:
        args: The command line.

    Raises:
        ValueError: The port is in use, or the address is unknown.
    """
    if args.nodes > 1:
        try:
            socket.getaddrinfo(args.address, args.port)
        except (OSError, UnicodeError) as error:
            raise ValueError(
                f'MASTER_ADDR={args.address}: there is no machine of this name ({error}); give the '
                "first machine's name or address"
            ) from error
    if args.node_rank > 0:
        return Port(args.port, None)
    both = socket.has_dualstack_ipv6()
    holder = socket.socket(socket.AF_INET6 if both else socket.AF_INET)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if both:
        holder.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    try:
        holder.bind(('', args.port))
    except OSError as error:
        holder.close()
        raise ValueError(
            f'PORT={args.port} cannot be used on this machine ({error.strerror}): choose another '
            'one' + (', the same on all machines' if args.nodes > 1 else ', or set none')
        ) from error
    return Port(holder.getsockname()[1], holder)


def start(
    args: argparse.Namespace,
    local_rank: int,
    port: Port,
    folder: Path,
    mask: set[int | signal.Signals],
) -> Rank:
    """Start a process in a session of its own.

    Args:
        args: The command line.
        local_rank: Its number on this machine.
        port: Where the processes meet.
        folder: Where it may write its error.
        mask: The signals that it is to start with blocked.
    """
    number = args.node_rank * args.processes + local_rank
    launcher = os.getpid()
    error_file = folder / f'error_{number}.json'
    environment = {
        **os.environ,
        'RANK': str(number),
        'LOCAL_RANK': str(local_rank),
        'WORLD_SIZE': str(args.nodes * args.processes),
        'LOCAL_WORLD_SIZE': str(args.processes),
        'MASTER_ADDR': args.address,
        'MASTER_PORT': str(port.number),
        LAUNCHER_PID: str(launcher),
        ERROR_FILE: str(error_file),
    }
    library = ctypes.CDLL(None)  # loaded here, as little is safe after the fork

    def prepare() -> None:
        library.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != launcher:  # it died before the line above could take effect
            os._exit(128 + signal.SIGTERM)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    process = subprocess.Popen(
        [sys.executable, '-u', args.script, *args.arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=prepare,
    )
    return Rank(number, process, error_file)


def wait_for(
    ranks: list[Rank], waited: set[signal.Signals], grace_s: float, settle_s: float
) -> int:
    """Wait for all processes, passing signals on and ending what hangs.

    Args:
        ranks: The processes.
        waited: The signals that are blocked, SIGCHLD among them.
        grace_s: Seconds for the processes to end after a signal.
        settle_s: Seconds for the others to end after a process failed.

    Returns:
        The exit code.
    """
    stopped_by: int | None = None
    stopped_at = deadline = float('inf')
    while reap(ranks):
        if any(rank.failed() for rank in ranks):
            settle = settle_s if stopped_by is None else SETTLE_AFTER_SIGNAL_S
            first = min(rank.ended for rank in ranks if rank.failed())
            deadline = min(deadline, time.monotonic() + max(0.0, first + settle - time.time()))
        elif stopped := [rank.ended for rank in ranks if rank.code]:  # one alone got a signal
            left = max(0.0, min(stopped) + SETTLE_AFTER_SIGNAL_S - time.time())
            deadline = min(deadline, time.monotonic() + left)
        if time.monotonic() >= deadline:
            late = kill(ranks)
            if stopped_by is not None and time.monotonic() >= stopped_at + grace_s:
                name = signal.Signals(stopped_by).name
                say(f'error: {named(late)} did not end within {grace_s:g} s of {name}: killed')
                return 128 + signal.SIGKILL
            continue
        # Not longer than a second, in case the clock of the system is changed.
        info = signal.sigtimedwait(waited, min(max(deadline - time.monotonic(), 0.0), 1.0))
        if info is None or info.si_signo == signal.SIGCHLD:
            continue
        if stopped_by is not None:
            if time.monotonic() - stopped_at < TWICE_S:
                continue
            kill(ranks)
            return 128 + info.si_signo
        stopped_by, stopped_at = info.si_signo, time.monotonic()
        deadline = min(deadline, stopped_at + grace_s)
        living = [rank for rank in ranks if rank.code is None]
        for rank in living:
            rank.process.send_signal(stopped_by)
        say(
            f'{signal.Signals(stopped_by).name}: waiting at most {grace_s:g} s for '
            f'{named(living)} to end; a second signal ends all at once'
        )
    return result(ranks, stopped_by)


def reap(ranks: list[Rank]) -> bool:
    """Note which processes have ended, and end what they left behind.

    Args:
        ranks: The processes.

    Returns:
        Whether any is still running.
    """
    for rank in ranks:
        pid = rank.process.pid
        # Until it has been waited for, its number is not given to another process or group.
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        if rank.code is None and os.waitid(os.P_PID, pid, options) is not None:
            rank.ended = time.time()
            os.killpg(pid, signal.SIGKILL)
            rank.code = rank.process.wait()
    return any(rank.code is None for rank in ranks)


def kill(ranks: list[Rank]) -> list[Rank]:
    """End the processes that are still running, with all that they started.

    Args:
        ranks: The processes.

    Returns:
        Those that were running.
    """
    reap(ranks)
    living = [rank for rank in ranks if rank.code is None]
    for rank in living:
        rank.killed = True
        os.killpg(rank.process.pid, signal.SIGKILL)
    for rank in living:
        rank.code = rank.process.wait()
    return living


def result(ranks: list[Rank], stopped_by: int | None) -> int:
    """Choose the exit code once all processes have ended; print the error, if there is one.

    Args:
        ranks: The processes.
        stopped_by: The signal that was passed on to them, if any.
    """
    failures = sorted(
        (failure_of(rank) for rank in ranks if rank.failed()),
        key=lambda failure: (failure.role == 'consequence', failure.when),
    )
    stopped = [rank.code for rank in ranks if rank.code and rank.code in ORDERLY]
    if stopped and all(failure.role == 'consequence' for failure in failures):
        return stopped[0]
    if failures:
        first, *others = failures
        code = first.rank.code or 0
        if stopped_by is not None and code == -stopped_by:
            return 128 + stopped_by  # it was not yet, or no longer, ready to write a checkpoint
        causes = [other for other in others if other.role != 'consequence']
        unlike = [other.rank for other in causes if other.text != first.text]
        of_all = first.role == 'run' or (not unlike and len(causes) == len(ranks) - 1)
        name = '' if of_all else f' ({named([first.rank])})'
        say(f'error{name}: {first.text}'.replace(': \n', ':\n', 1))  # before a traceback
        if unlike:
            say(f'{named(unlike)} failed as well, later and with other errors')
        return code if code > 0 else 128 - code
    codes = [rank.code for rank in ranks if rank.code]
    return codes[0] if codes else 0


def failure_of(rank: Rank) -> Failure:
    """Read what a process says about its failure, or word it from its exit code."""
    code = rank.code or 0
    if rank.error_file.exists():
        told = json.loads(rank.error_file.read_text(encoding='utf-8'))
        return Failure(rank, told['when'], told['text'], told['role'])
    if code > 0:
        text = f'ended with exit code {code}'
    else:
        hint = HINTS.get(signal.Signals(-code))
        name = signal.Signals(-code).name
        text = f'killed by {name}' + (f', {hint}' if hint else '')
    return Failure(rank, rank.ended, text)


def named(ranks: list[Rank]) -> str:
    """Name processes: 'process 1', 'processes 0 and 2' or '8 processes'."""
    numbers = [str(rank.number) for rank in ranks]
    if len(numbers) == 1:
        return f'process {numbers[0]}'
    if len(numbers) > 4:
        return f'{len(numbers)} processes'
    return f'processes {", ".join(numbers[:-1])} and {numbers[-1]}'


def say(line: str) -> None:
    """Print to stderr, which may be gone: the terminal was closed, or `tee` ended by Ctrl-C."""
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)


if __name__ == '__main__':
    sys.exit(main())
