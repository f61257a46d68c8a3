"""Times what the order that can be resumed costs, against MMEngine's loop, in one process.

    python benchmarks/reliability/resume_speed.py

Steps of both loops alternate, with the data read in this process, and CPU time is counted, so that
other programs do not disturb. The model is the demo's small MAE, in its batches of 32; a second
table has a data set that costs nothing, which shows the microseconds of a sample.
"""

import logging
import statistics
import sys
import tempfile
import time
from pathlib import Path

import checkout  # noqa: F401  so that tests can be imported
from mmengine.runner import Runner
from torch.utils.data import BatchSampler, DataLoader

import mae_transfer  # noqa: F401  before anything imports mmcv
from mae_transfer.data.draws import DrawnBatches, SeededDataset
from tests.configs_suite.reading import load
from tests.configs_suite.tiny_models import prepare_run
from tests.support.resumed_runs import pictures_of

MAE = 'demo/mae_vit-demo-p8_1xb32-coslr-2000i_scenes-64x64.py'
STEPS, WARM, BATCH, LEAST = 60, 10, 32, 0.98


def loop_of(kind: str, folder: str):
    """Return a training loop that is ready to make steps, and its batches."""
    cfg = load(MAE)
    cfg = prepare_run(cfg, pictures_of(cfg.train_dataloader.dataset.data_root), Path(folder))
    cfg.train_dataloader.batch_size, cfg.train_cfg.type = BATCH, kind
    cfg.custom_hooks, cfg.visualizer, cfg.log_level = [], None, 'ERROR'
    cfg.work_dir, cfg.experiment_name = folder, f'{kind}-{time.time_ns()}'
    cfg.default_hooks.update(checkpoint=None, logger=dict(type='LoggerHook', interval=1000))
    cfg.param_scheduler = None
    runner = Runner.from_cfg(cfg)
    loop = runner.train_loop
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    runner.optim_wrapper.initialize_count_status(runner.model, 0, 10**6)
    runner._train_loop = loop
    runner.call_hook('before_run')
    runner.call_hook('before_train')
    runner.call_hook('before_train_epoch')
    runner.model.train()
    ours = kind.startswith('Accumulating')
    return loop, loop.batches_from_here() if ours else loop.dataloader_iterator


def seconds(call) -> float:
    """CPU time of a call."""
    begun = time.process_time()
    call()
    return time.process_time() - begun


def time_samples() -> tuple[float, float]:
    """Return the microseconds that a sample costs in this process, without and with its seed."""
    data = [0] * 4096

    def make(_: int) -> BatchSampler:
        return BatchSampler(range(len(data)), BATCH, False)

    plain = DataLoader(data, batch_sampler=make(0), collate_fn=list)
    drawn = DrawnBatches(make, make(0), 1)
    seeded = DataLoader(SeededDataset(data), batch_sampler=drawn, collate_fn=list)
    costs: list[list[float]] = [[], []]
    for _ in range(9):
        for times, loader in zip(costs, (plain, seeded), strict=True):
            times.append(seconds(lambda loader=loader: list(loader)) / len(data) * 1e6)
    return statistics.median(costs[0]), statistics.median(costs[1])


def main() -> int:
    """Print both tables; return 1 if the throughput is below the bound."""
    logging.disable(logging.WARNING)
    kinds = ('IterBasedTrainLoop', 'AccumulatingIterTrainLoop')
    times: dict[str, list[float]] = {kind: [] for kind in kinds}
    with tempfile.TemporaryDirectory() as folder:
        loops = {kind: loop_of(kind, f'{folder}/{kind}') for kind in kinds}
        for step in range(WARM + STEPS):
            for kind in kinds if step % 2 else reversed(kinds):
                loop, batches = loops[kind]
                taken = seconds(lambda loop=loop, batches=batches: loop.run_iter(next(batches)))
                if step >= WARM:
                    times[kind].append(taken)
    plain, ours = (statistics.median(times[kind]) for kind in kinds)
    ratio = plain / ours
    without, with_seed = time_samples()
    print('| loop | CPU ms a step, median | throughput |\n| --- | --- | --- |')
    print(f'| MMEngine | {plain * 1e3:.2f} | 1 |\n| ours | {ours * 1e3:.2f} | {ratio:.3f} |\n')
    print('| a sample that costs nothing | CPU microseconds |\n| --- | --- |')
    print(f'| plain | {without:.1f} |\n| drawn from its key | {with_seed:.1f} |\n')
    good = ratio >= LEAST
    print(f'| tried | good |\n| --- | --- |\n| throughput of at least {LEAST} | {int(good)} |')
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main())
