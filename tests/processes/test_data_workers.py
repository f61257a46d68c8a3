"""Workers of a data loader that get the signals meant for their run."""

import os
import signal
import time

import torch
from torch.utils.data import DataLoader, Dataset

from mae_transfer.processes.data_workers import end_workers, protect_workers
from mae_transfer.processes.signal_watch import SIGNALS


class Pids(Dataset):
    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> torch.Tensor:
        time.sleep(0.02)
        return torch.tensor([os.getpid(), torch.initial_seed()])


def set_seed(worker_id: int) -> None:
    torch.manual_seed(42 + worker_id)


def test_protect_workers__they_serve_on_after_a_signal_and_end_with_the_loader():
    loader = DataLoader(Pids(), num_workers=1, prefetch_factor=1, worker_init_fn=set_seed)
    protect_workers(loader)
    batches = iter(loader)
    pid, seed = next(batches)[0].tolist()
    assert seed == 42  # the loader's own start of workers has run, too
    # This process is the parent, whose SIGTERM ends a worker: a process of its own sends it.
    for number in SIGNALS:
        os.system(f'kill -{number.value} {pid}')
    assert len([batch for batch in batches if batch[0, 0] == pid]) == 7
    del batches
    assert not os.path.exists(f'/proc/{pid}')


def test_protect_workers__the_parent_ends_them():
    loader = DataLoader(Pids(), num_workers=1)
    protect_workers(loader)
    batches = iter(loader)
    pid = next(batches)[0, 0].item()
    (worker,) = batches._workers
    start = time.monotonic()
    worker.terminate()
    worker.join(10)
    assert worker.exitcode == 0 and worker.pid == pid and time.monotonic() - start < 5
    del batches


def test_end_workers__at_once_and_those_of_others_when_asked():
    loaders = [DataLoader(Pids(), num_workers=2) for _ in range(2)]
    iterators = [iter(loader) for loader in loaders]
    workers = [worker for batches in iterators for worker in batches._workers]
    first = [worker.pid for worker in workers[:2]]
    end_workers(others=first)
    assert [worker.exitcode for worker in workers] == [None, None, 0, 0]
    end_workers()
    assert [worker.exitcode for worker in workers] == [0] * 4


def test_protect_workers__nothing_to_do_without_workers():
    loader = DataLoader(Pids())
    protect_workers(loader)
    assert loader.worker_init_fn is None
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_end_workers__one_that_a_signal_has_ended_is_no_error(monkeypatch):
    loader = DataLoader(Pids(), num_workers=1)
    batches = iter(loader)
    pid = int(next(batches)[0, 0])
    handler = signal.getsignal(signal.SIGCHLD)

    def look() -> list:
        os.kill(pid, signal.SIGKILL)
        time.sleep(0.2)  # until this process is told
        return [batches]

    monkeypatch.setattr('mae_transfer.processes.data_workers.gc.get_objects', look)
    end_workers()
    assert not os.path.exists(f'/proc/{pid}')
    assert signal.getsignal(signal.SIGCHLD) == handler
