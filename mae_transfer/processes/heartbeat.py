"""Names the process of a run that hangs, and ends the run.

The processes of a distributed run wait for each other in every step. If one of them hangs, all do,
and nothing says which one it is. Here a thread in each process writes a beat to the store that the
processes share: a count that goes on, the steps that the process has made, and the line at which
its main thread is. Each process reads the beats of all. A run ends, and a sentence says why, when
for the time limit

- a process has not joined the others;
- a process gave no beat: it is frozen, or its machine or its network is gone;
- all gave beats and none made a step: those are named whose main thread does not wait for others.

If the first process is frozen, which holds the store, the store does not answer, and it is named.
A process whose failure its peers have not noticed after 15 seconds ends the run as well.

The time counts only while a process itself runs: if all are frozen together, as a suspended job is,
they go on afterwards.
"""

from __future__ import annotations

import atexit
import json
import os
import socket
import sys
import sysconfig
import threading
import time
from dataclasses import asdict, dataclass

import torch.distributed as dist

from mae_transfer.first_few import first_few
from mae_transfer.processes.launcher import end_process, has_own_launcher, tell_launcher

# Exit code of all processes of a run that hangs.
HUNG = 4

# How long the peers of a failed process may take to notice it by themselves, in seconds.
UNNOTICED_S = 15.0
# Time between two beats, in seconds: a part of the time limit, but not longer than this.
LONGEST_INTERVAL_S = 10.0
# The same while others are waited for.
SOON_S = 0.1

STANDARD_LIBRARY = sysconfig.get_path('stdlib')
# Code of torch that waits for other processes: collectives, and the backward pass, in which
# DistributedDataParallel adds up gradients.
WAITING = ('torch/distributed/', 'torch/nn/parallel/distributed.py', 'torch/autograd/graph.py')

NAMED = 4  # processes in a sentence


@dataclass(frozen=True)
class Beat:
    """What a process says about itself.

    Attributes:
        count: Beats so far.
        steps: Steps so far, of training, validation or test.
        host: Name of its machine.
        pid: Its number there.
        place: The line at which its main thread is, and the function.
        waits: Whether that line waits for other processes.
        state: 'running', 'left' at a regular end, or 'failed'.
    """

    count: int
    steps: int
    host: str
    pid: int
    place: str = ''
    waits: bool = False
    state: str = 'running'


@dataclass(frozen=True)
class Verdict:
    """Why a run cannot go on.

    Attributes:
        text: A sentence.
        speaker: The rank that prints it.
    """

    text: str
    speaker: int


class Watch:
    """Judges, from the beats of all processes, whether the run hangs. It has no thread of its own.

    Args:
        rank: The process that watches.
        world_size: Number of processes.
        timeout_s: Time limit in seconds.
    """

    def __init__(self, rank: int, world_size: int, timeout_s: float) -> None:
        self.rank = rank
        self.beats: dict[int, Beat] = {}
        self.missing = list(range(world_size))
        self.timeout_s = timeout_s
        # Seconds since this process came, each gave a new beat, any made a step, the store
        # answered, ...
        self.present = 0.0
        self.silent = [0.0] * world_size
        self.idle = 0.0
        self.unanswered = 0.0
        # ..., a process failed, and the store was found closed; None = it did not.
        self.since_failure: float | None = None
        self.closed: float | None = None

    def hear(self, beats: dict[int, Beat]) -> None:
        """Take in the latest beats of the processes that have joined, as the store gave them."""
        self.unanswered = 0.0
        for rank, beat in beats.items():
            former = self.beats.get(rank)
            if former is None or beat.count != former.count:
                self.silent[rank] = 0.0
            if former is None or beat.steps != former.steps or beat.state != former.state:
                self.idle = 0.0
        self.beats = beats
        self.missing = [rank for rank in self.missing if rank not in beats]
        if self.since_failure is None and self._in_state('failed'):
            self.since_failure = 0.0

    def hear_of_closed_store(self) -> None:
        """Take in that the first process, which holds the store, has ended."""
        if self.closed is None:
            self.closed = 0.0

    def pass_time(self, seconds: float) -> None:
        """Let some time pass."""
        self.present += seconds
        self.silent = [silence + seconds for silence in self.silent]
        self.idle += seconds
        self.unanswered += seconds
        if self.since_failure is not None:
            self.since_failure += seconds
        if self.closed is not None:
            self.closed += seconds

    def judge(self) -> Verdict | None:
        """Return why the run cannot go on, or None while nothing is wrong."""
        limit, size = self.timeout_s, len(self.silent)
        patience = min(UNNOTICED_S, limit)
        if self.closed is not None:
            if self.closed < patience:
                return None
            return self._verdict([0], f'{self._name(0)} has ended')
        if self.since_failure is not None and self.since_failure >= patience:
            failed = self._in_state('failed')
            return self._verdict(failed, f'{self._names(failed)} failed')
        raise_it = f'; if it needs more time, raise env_cfg.dist_cfg.timeout={limit:g} (seconds)'
        if self.unanswered >= limit:
            return self._verdict(
                [0],
                f'{self._name(0)} has not answered for {limit:g} s: it is frozen, or its machine '
                f'or network is gone{raise_it}',
            )
        if self.missing and self.present >= limit:
            few = first_few(self.missing, NAMED)
            start = f'process {few}' if len(self.missing) == 1 else f'processes {few}'
            return self._verdict(
                [],
                f'{start} of {size} did not join within {limit:g} s: not started, frozen, or '
                f'without a connection to process 0 on {self._host(0)}{raise_it}',
            )
        running = self._in_state('running')
        # A process that froze after its last step gave a beat in between: it is named all the same.
        enough = limit / 2 if self.idle >= limit else limit
        frozen = [rank for rank in running if self.silent[rank] >= enough]
        if frozen:
            one, seconds = len(frozen) == 1, min(self.silent[rank] for rank in frozen)
            return self._verdict(
                frozen,
                f'{self._names(frozen)} {"has" if one else "have"} given no sign of life for '
                f'{seconds:.0f} s: {"it is" if one else "they are"} frozen, or '
                f'{"its" if one else "their"} machine or network is gone{raise_it}',
            )
        if self.idle >= limit and running:
            busy = [rank for rank in running if not self.beats[rank].waits] or running
            places = first_few(
                [f'{self._name(rank)} is at {self.beats[rank].place}' for rank in busy], NAMED
            )
            rest = '' if len(busy) == len(running) else ', and the others wait'
            text = f'no process has made a step for {limit:g} s: {places}{rest}{raise_it}'
            return self._verdict([], text)
        return None

    def _verdict(self, lost: list[int], text: str) -> Verdict:
        """Let the first process that is left speak."""
        left = [rank for rank in self._in_state('running') if rank not in lost]
        return Verdict(text, min(left, default=self.rank))

    def _in_state(self, state: str) -> list[int]:
        return [rank for rank, beat in sorted(self.beats.items()) if beat.state == state]

    def _host(self, rank: int) -> str:
        beat = self.beats.get(rank)
        return 'an unknown machine' if beat is None else beat.host

    def _name(self, rank: int) -> str:
        beat = self.beats.get(rank)
        known = '' if beat is None else f', pid {beat.pid}'
        return f'process {rank} ({self._host(rank)}{known})'

    def _names(self, ranks: list[int]) -> str:
        return first_few([self._name(rank) for rank in ranks], NAMED)


class Heartbeat:
    """The threads of a process that give its beats and watch those of the others.

    Args:
        store: A connection to the store for these threads alone, as a call may wait for its answer.
        rank: This process.
        world_size: Number of processes.
        timeout_s: Time limit in seconds.
    """

    def __init__(self, store: dist.Store, rank: int, world_size: int, timeout_s: float) -> None:
        self.store = store
        self.rank = rank
        self.interval_s = min(timeout_s / 20, LONGEST_INTERVAL_S)
        self.watch = Watch(rank, world_size, timeout_s)
        self.steps = 0
        self._state = 'running'
        self._watched = threading.get_ident()
        self._complete = threading.Event()
        self._leaving = threading.Event()
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=work, daemon=True, name=f'heartbeat {work.__name__}')
            for work in (self._give_beats, self._watch_others)
        ]
        for thread in self._threads:
            thread.start()

    def call_the_roll(self) -> None:
        """Wait for all processes; if some do not come in time, this process is ended."""
        self._complete.wait()

    def leave(self, failed: bool) -> None:
        """Tell the others that this process ends, and stop.

        At a regular end the first process waits for the others, because they need its store.

        Args:
            failed: Whether it ends because of an error.
        """
        self._state = 'failed' if failed else 'left'
        self._leaving.set()
        stays = self.rank == 0 and not failed
        # The store may never answer; while the first process waits, it watches.
        self._threads[0].join(None if stays else self.interval_s + 1.0)
        self._done.set()

    def _give_beats(self) -> None:
        host, pid, count = socket.gethostname(), os.getpid(), 0
        try:
            while True:
                left, count = self._leaving.is_set(), count + 1
                place, waits = place_of(self._watched)
                beat = Beat(count, self.steps, host, pid, place, waits, self._state)
                self.store.set(_key(self.rank), json.dumps(asdict(beat)))
                beats = self._read()
                with self._lock:
                    self.watch.hear(beats)
                if not self.watch.missing:
                    self._complete.set()
                states = {beat.state for beat in beats.values()}
                if left and (self.rank or 'failed' in states or 'running' not in states):
                    return
                if left or not self._complete.is_set():
                    time.sleep(min(self.interval_s, SOON_S))
                else:
                    self._leaving.wait(self.interval_s)
        except RuntimeError:  # the base of torch's errors of connections
            with self._lock:
                self.watch.hear_of_closed_store()

    def _watch_others(self) -> None:
        last = time.monotonic()
        while not self._done.wait(self.interval_s):
            now = time.monotonic()
            with self._lock:
                # A longer time means that this process was frozen itself.
                self.watch.pass_time(min(now - last, 2 * self.interval_s))
                verdict = self.watch.judge()
            last = now
            if verdict is not None and not self._done.is_set():
                self._end(verdict)

    def _end(self, verdict: Verdict) -> None:
        """End this process; others wait for the one that speaks, as a launcher may end them all."""
        speaks = self.rank == verdict.speaker
        if not speaks:
            time.sleep(3 * self.interval_s)
        if has_own_launcher():
            tell_launcher(verdict.text, 'run' if speaks else 'consequence')
        elif speaks:
            # Not through sys.stderr: the thread that hangs may hold its lock.
            os.write(2, f'error: {verdict.text}\n'.encode(errors='replace'))
        end_process(HUNG)

    def _read(self) -> dict[int, Beat]:
        """Read the beats of all processes that have come; asking for others would wait for them."""
        missing = {rank for rank in self.watch.missing if not self.store.check([_key(rank)])}
        ranks = [rank for rank in range(len(self.watch.silent)) if rank not in missing]
        texts = self.store.multi_get([_key(rank) for rank in ranks])
        return {rank: Beat(**json.loads(text)) for rank, text in zip(ranks, texts, strict=True)}


def _key(rank: int) -> str:
    return f'heartbeat/{rank}'


def place_of(thread: int) -> tuple[str, bool]:
    """Say at which line a thread is, and whether it waits for other processes there.

    Args:
        thread: Its identifier.

    Returns:
        File, line and function of the innermost frame outside the standard library; whether that
        is code that waits for other processes.
    """
    frame = sys._current_frames().get(thread)
    while frame is not None and _of_standard_library(frame.f_code.co_filename):
        frame = frame.f_back
    if frame is None:
        return 'its start or end', False
    file = frame.f_code.co_filename.rpartition('site-packages/')[2]
    place = f'{file}:{frame.f_lineno} in {frame.f_code.co_name}'
    return place, file.startswith(WAITING)


def _of_standard_library(file: str) -> bool:
    inside = file.startswith(STANDARD_LIBRARY) and 'site-packages' not in file
    return inside or file.startswith('<frozen')


_heartbeat: Heartbeat | None = None


def start_heartbeat(store: dist.Store, rank: int, world_size: int, timeout_s: float) -> None:
    """Start the threads of this process and wait for the others to join.

    Args:
        store: A connection to the store for the threads alone.
        rank: This process.
        world_size: Number of processes.
        timeout_s: Time limit in seconds.
    """
    global _heartbeat
    _heartbeat = Heartbeat(store, rank, world_size, timeout_s)
    atexit.register(stop_heartbeat, failed=False)  # threads that call C++ must end before Python
    _heartbeat.call_the_roll()


def stop_heartbeat(failed: bool) -> None:
    """Stop the threads of this process, if there are any.

    Args:
        failed: Whether the process ends because of an error.
    """
    global _heartbeat
    if _heartbeat is not None:
        _heartbeat.leave(failed)
        _heartbeat = None


def count_step() -> None:
    """Note that this process goes on: it has finished a step of training, validation or test."""
    if _heartbeat is not None:
        _heartbeat.steps += 1
