"""Shows that runs survive kills and spoilt checkpoints, and that long logs cost nothing.

    python benchmarks/reliability/checkpoints.py

Kills runs at random moments of saving, brings spoilt and hostile checkpoints to every door of the
toolkit, and times what a logged number costs. Prints tables; exits with 1 if anything was not good.
"""

import contextlib
import importlib.util
import io
import logging
import multiprocessing
import os
import pickle
import random
import sys
import tempfile
import time
import zipfile
from collections import Counter
from pathlib import Path

import checkout  # noqa: F401  so that tests can be imported
import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import Runner

from mae_transfer.checkpoints.files.finite import broken_content
from mae_transfer.checkpoints.files.last_checkpoint import (
    POINTER,
    find_last_checkpoint,
)
from mae_transfer.compat.safe_load import read_content
from tests.hooks.test_atomic_checkpoint import train_for_ever
from tests.support.spoilt_checkpoints import (
    SPOILT,
    doors,
    good_checkpoint,
    try_door,
)

KILLS = 50


def kill_while_saving(folder: Path) -> list[str]:
    """Kill a run again and again while it saves; each goes on from what the last one left."""
    rng, rows, whole, unfinished, iteration = random.Random(0), [], 0, 0, 0
    pointer = folder / POINTER
    fork = multiprocessing.get_context('fork')
    for _ in range(KILLS):
        before = pointer.stat().st_mtime_ns if pointer.exists() else 0
        process = fork.Process(target=train_for_ever, args=(folder,))
        process.start()
        while not pointer.exists() or pointer.stat().st_mtime_ns == before:
            if not process.is_alive():
                break
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.15))
        process.kill()
        process.join()
        found = find_last_checkpoint(folder)
        step = read_content(found.path)['meta']['iter'] if found else 0
        steps = int(read_content(found.path)['state_dict']['steps']) if found else -1
        whole += bool(found and not found.passed_over and step > iteration and steps == step)
        unfinished += len(list(folder.glob('.*.tmp')))
        iteration = step
    rows.append(f'| kills at random moments of saving | {KILLS} | {whole} |')
    rows.append(
        f'(in {unfinished} of them a file was being written; the last run reached step {step})'
    )
    return rows if whole == KILLS else [*rows, 'NOT GOOD']


def try_spoilt(folder: Path) -> list[str]:
    """Bring every spoilt file to every door."""
    good = good_checkpoint(folder)
    rows, tried, fine, taken = [], Counter(), Counter(), Counter()
    for number, (name, spoil) in enumerate(SPOILT.items()):
        for door in doors(folder, good):
            outcome = try_door(door, spoil, good, folder / f'{number}-{door}')
            tried[door] += 1
            fine[door] += not outcome.bad
            taken[door] += outcome.sentence is None
            if outcome.bad:
                rows.append(f'NOT GOOD: {name} at {door}: {outcome.bad}')
    for door in tried:
        refused = tried[door] - taken[door]
        rows.append(
            f'| spoilt checkpoints at {door} ({refused} refused in one sentence, {taken[door]} '
            f'harmless) | {tried[door]} | {fine[door]} |'
        )
    return rows


def flip_bits(folder: Path) -> list[str]:
    """Flip one random bit of a checkpoint at a time: noticed, or without any effect."""
    path = good_checkpoint(folder)
    data, rng, good, noticed, tried = path.read_bytes(), random.Random(0), 0, 0, 400
    want = pickle.dumps([t.numpy().tobytes() for t in read_content(path)['state_dict'].values()])
    spoilt = folder / 'spoilt.pth'
    for _ in range(tried):
        changed = bytearray(data)
        changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        spoilt.write_bytes(changed)
        try:
            content = read_content(spoilt)
        except ValueError:
            noticed += 1
            good += 1
            continue
        found = [tensor.numpy().tobytes() for tensor in content['state_dict'].values()]
        good += pickle.dumps(found) == want
    row = f'| random bits flipped ({noticed} noticed, the others in padding) | {tried} | {good} |'
    return [row] if good == tried else [row, 'NOT GOOD']


def time_checks(folder: Path) -> list[str]:
    """Compare the time to write a checkpoint with that of checking it."""
    content = {'state_dict': {f'{i}': torch.randn(1000, 1000) for i in range(100)}, 'meta': {}}
    path = folder / 'big.pth'
    start = time.perf_counter()
    with path.open('wb') as stream:
        torch.save(content, stream)
        stream.flush()
        os.fsync(stream.fileno())
    written = time.perf_counter() - start
    start = time.perf_counter()
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    verified = time.perf_counter() - start
    start = time.perf_counter()
    broken = broken_content(content)
    scanned = time.perf_counter() - start
    size = path.stat().st_size / 2**20
    row = (
        f'| {size:.0f} MiB: written in {written:.2f} s, checksums verified in {verified:.2f} s, '
        f'scanned for NaN in {scanned:.2f} s | 1 | {int(not damaged and not broken)} |'
    )
    return [row]


def original_history() -> type:
    """MMEngine's HistoryBuffer before it was changed."""
    spec = importlib.util.find_spec('mmengine.logging.history_buffer')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.HistoryBuffer


def time_history() -> list[str]:
    """Time one logged number, and measure what a key takes in a checkpoint."""
    rows = ['| logged values | MMEngine: us a value, kB | here: us a value, kB | same values |']
    rows.append('| --- | --- | --- | --- |')
    for length in (1_000, 100_000, 1_000_000):
        cells, results = [], []
        for cls, repeats in ((original_history(), 100), (HistoryBuffer, 10_000)):
            values = np.random.default_rng(0).random(length)
            buffer = cls(values.tolist(), [1] * length)
            results.append([buffer.mean(), buffer.mean(50), buffer.max(), buffer.min(1000)])
            size = sum(array.nbytes for array in buffer.data) / 1000
            if cls is HistoryBuffer:
                size = len(pickle.dumps(buffer)) / 1000
            start = time.perf_counter()
            for _ in range(repeats):
                buffer.update(0.5)
            cost = (time.perf_counter() - start) / repeats * 1e6
            cells.append(f'{cost:.1f}, {size:.0f}')
        same = bool(np.allclose(*results, rtol=1e-12))
        rows.append(f'| {length} | {cells[0]} | {cells[1]} | {"yes" if same else "NOT GOOD"} |')
    return rows


def main() -> None:
    """Run all parts and print their tables."""
    logging.disable(logging.WARNING)
    Runner._log_env = lambda *_: None  # it asks compilers for their versions, each time
    lines = ['| tried | how often | good |', '| --- | --- | --- |']
    with tempfile.TemporaryDirectory() as name:
        for part in (kill_while_saving, try_spoilt, flip_bits, time_checks):
            folder = Path(name, part.__name__)
            folder.mkdir()
            with contextlib.redirect_stderr(io.StringIO()):
                lines += part(folder)
    lines += ['', *time_history()]
    print('\n'.join(lines))
    sys.exit(any('NOT GOOD' in line for line in lines))


if __name__ == '__main__':
    main()
