"""The watch over the processes of a run: who is named, who speaks, and when."""

import threading
import time

import pytest
import torch.distributed as dist

from mae_transfer.processes import heartbeat
from mae_transfer.processes.heartbeat import Beat, Heartbeat, Watch, place_of
from tests.support.launches import wait_until


class Run:
    """Processes that beat as told, seen by one of them.

    Args:
        size: Number of processes.
        rank: The one that watches.
    """

    def __init__(self, size: int, rank: int = 0) -> None:
        self.watch = Watch(rank, size, timeout_s=60)
        self.beats = {
            rank: Beat(0, 0, f'node{rank}', 100 + rank, 'a.py:1 in f') for rank in range(size)
        }
        self.watch.hear(self.beats)

    def beat(self, *ranks: int, **changes: object) -> None:
        self.beats = {
            rank: Beat(**(vars(beat) | {'count': beat.count + 1} | changes))
            if rank in ranks
            else beat
            for rank, beat in self.beats.items()
        }
        self.watch.hear(self.beats)

    def pass_time(self, seconds: float, *beating: int, **changes: object) -> None:
        """Let time pass in steps of three seconds, in which some give beats."""
        for _ in range(round(seconds / 3)):
            self.watch.pass_time(3)
            if beating:
                self.beat(*beating, **changes)


def test_watch__names_who_gives_no_beat():
    run = Run(4, rank=2)
    run.beat(0, 1, 2, 3, steps=1)
    run.pass_time(57, 0, 2)
    assert run.watch.judge() is None
    run.pass_time(3, 0, 2)
    verdict = run.watch.judge()
    assert verdict.speaker == 0
    assert verdict.text.startswith(
        'process 1 (node1, pid 101), process 3 (node3, pid 103) have given no sign of life for 60 s'
    )
    assert 'raise env_cfg.dist_cfg.timeout=60 (seconds)' in verdict.text


def test_watch__names_who_froze_after_its_last_step():
    """It gave a beat after the last step, so the time without a step is over first."""
    run = Run(2)
    run.beat(0, 1, steps=1)
    run.pass_time(3, 0, 1)
    run.pass_time(57, 0)
    text = run.watch.judge().text
    assert text.startswith('process 1 (node1, pid 101) has given no sign of life for 57 s')


def test_watch__lets_the_first_speak_that_is_left():
    run = Run(3, rank=2)
    run.pass_time(60, 1, 2)
    assert run.watch.judge().speaker == 1


def test_watch__names_who_does_not_wait_when_none_makes_a_step():
    run = Run(3)
    run.beat(0, 1, 2, steps=5)
    run.beat(0, 2, waits=True)
    run.pass_time(57, 0, 1, 2)
    assert run.watch.judge() is None
    run.pass_time(3, 0, 1, 2)
    verdict = run.watch.judge()
    assert verdict.text.startswith(
        'no process has made a step for 60 s: process 1 (node1, pid 101) is at a.py:1 in f, and '
        'the others wait'
    )
    assert verdict.speaker == 0


def test_watch__names_all_when_all_wait():
    run = Run(2)
    run.pass_time(60, 0, 1, waits=True)
    assert 'process 0' in (text := run.watch.judge().text) and 'process 1' in text


@pytest.mark.parametrize('who', [(0, 1), (1,)])
def test_watch__goes_on_while_any_makes_steps(who):
    """As when one process evaluates and the other waits for it."""
    run = Run(2)
    for step in range(10):
        run.beat(*who, steps=step)
        run.pass_time(30, 0, 1)
        assert run.watch.judge() is None


def test_watch__names_the_first_process_when_the_store_does_not_answer():
    run = Run(3, rank=1)
    run.pass_time(60)
    verdict = run.watch.judge()
    assert verdict.text.startswith('process 0 (node0, pid 100) has not answered for 60 s')
    assert verdict.speaker == 1


def test_watch__names_who_has_not_joined():
    watch = Watch(1, 8, timeout_s=60)
    watch.pass_time(59)
    watch.hear({0: Beat(1, 0, 'node0', 9), 1: Beat(1, 0, 'node1', 9)})
    assert watch.judge() is None
    watch.pass_time(1)
    assert watch.judge().text.startswith(
        'processes 2, 3, 4, 5 and 2 more of 8 did not join within 60 s'
    )
    assert watch.judge().speaker == 0


def test_watch__the_time_for_a_step_counts_from_the_last_that_joined():
    watch = Watch(0, 2, timeout_s=60)
    first, second = Beat(1, 0, 'a', 1), Beat(1, 0, 'b', 2)
    watch.hear({0: first})
    watch.pass_time(50)
    watch.hear({0: Beat(2, 0, 'a', 1), 1: second})
    watch.pass_time(50)
    watch.hear({0: Beat(3, 0, 'a', 1), 1: Beat(2, 0, 'b', 2)})
    assert watch.judge() is None


def test_watch__ends_a_run_whose_failure_nobody_noticed():
    run = Run(3, rank=2)
    run.beat(0, state='failed')
    run.pass_time(12, 1, 2)
    assert run.watch.judge() is None
    run.pass_time(3, 1, 2)
    assert run.watch.judge().text == 'process 0 (node0, pid 100) failed'
    assert run.watch.judge().speaker == 1


def test_watch__ends_a_run_whose_store_is_closed():
    run = Run(2, rank=1)
    run.watch.hear_of_closed_store()
    run.pass_time(12)
    assert run.watch.judge() is None
    run.pass_time(3)
    assert run.watch.judge().text == 'process 0 (node0, pid 100) has ended'


def test_watch__expects_nothing_of_those_that_left():
    run = Run(2)
    run.beat(1, state='left')
    for step in range(10):
        run.beat(0, steps=step)
        run.pass_time(30, 0)
        assert run.watch.judge() is None


def test_place_of__innermost_line_outside_the_standard_library():
    held, go_on = threading.Event(), threading.Event()

    def hang() -> None:
        held.set()
        go_on.wait(30)  # inside the standard library

    thread = threading.Thread(target=hang)
    thread.start()
    held.wait()
    place, waits = place_of(thread.ident)
    go_on.set()
    thread.join()
    assert place.endswith(f'test_heartbeat.py:{hang.__code__.co_firstlineno + 2} in hang')
    assert not waits
    assert place_of(thread.ident) == ('its start or end', False)


def test_place_of__code_of_torch_that_waits():
    text = 'def wait_for(event):\n    event.wait(30)'
    space: dict = {}
    exec(compile(text, '/lib/site-packages/torch/distributed/x.py', 'exec'), space)
    go_on = threading.Event()
    thread = threading.Thread(target=space['wait_for'], args=(go_on,))
    thread.start()
    expected = ('torch/distributed/x.py:2 in wait_for', True)
    assert wait_until(lambda: place_of(thread.ident) == expected)
    go_on.set()
    thread.join()


@pytest.fixture
def ended(monkeypatch) -> list[tuple[int, str]]:
    """What processes said when they would have ended, instead of ending this one."""
    said: list[tuple[int, str]] = []

    def end(self, verdict):
        said.append((self.rank, verdict.text))
        self._done.set()

    monkeypatch.setattr(Heartbeat, '_end', end)
    return said


def test_heartbeat__of_two_threads_that_leave_and_of_one_that_stops(ended):
    """Both processes are threads of this one; the second one's beats stop."""
    store = dist.HashStore()
    first = Heartbeat(store, 0, 2, timeout_s=1.0)
    time.sleep(0.2)
    assert not first._complete.is_set()
    second = Heartbeat(store, 1, 2, timeout_s=1.0)
    first.call_the_roll()
    second.call_the_roll()
    second.steps += 1
    assert wait_until(lambda: first.watch.beats[1].steps == 1)
    thaw = threading.Event()

    class Frozen:
        def set(self, *args):
            thaw.wait(30)
            raise RuntimeError('the store is closed')

    second._done.set()
    second.store = Frozen()
    assert wait_until(lambda: ended, 10)
    assert ended[0][0] == 0 and 'process 1' in ended[0][1] and 'no sign of life' in ended[0][1]
    thaw.set()
    first.leave(True)


def test_heartbeat__the_first_waits_for_the_others_at_the_end(ended):
    store = dist.HashStore()
    beats = [Heartbeat(store, rank, 2, timeout_s=5.0) for rank in range(2)]
    for beat in beats:
        beat.call_the_roll()
    leaving = threading.Thread(target=beats[0].leave, args=(False,))
    leaving.start()
    leaving.join(0.5)
    assert leaving.is_alive()
    beats[1].leave(False)
    leaving.join(5)
    assert not leaving.is_alive() and not ended
    assert all(not thread.is_alive() for beat in beats for thread in beat._threads[:1])


def test_heartbeat__one_that_fails_waits_for_nobody(ended):
    store = dist.HashStore()
    beats = [Heartbeat(store, rank, 2, timeout_s=5.0) for rank in range(2)]
    for beat in beats:
        beat.call_the_roll()
    beats[0].leave(True)
    assert wait_until(lambda: beats[1].watch.since_failure is not None)
    beats[1].leave(False)
    assert not ended


def test_count_step__without_a_heartbeat_does_nothing(monkeypatch):
    monkeypatch.setattr(heartbeat, '_heartbeat', None)
    heartbeat.count_step()
    heartbeat.stop_heartbeat(failed=False)
    assert heartbeat._heartbeat is None
