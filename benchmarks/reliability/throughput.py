"""What the guards cost: throughput of a run with all of them, divided by that of a run without.

Without: MMEngine's own loop and checkpoint hook, and none of the hooks in `run/guards.py`. Both run
in this process, one after the other, again and again; the figures are medians over all steps. The
first steps of each run are not counted.

    python benchmarks/reliability/throughput.py            # about five minutes on two cores
    python benchmarks/reliability/throughput.py --repeats 3
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mae_transfer.run.config import load_config
from mae_transfer.run.framework import import_framework
from mae_transfer.run.guards import GUARDS, set_guards
from mae_transfer.run.state import restored_state

UNTIMED = 5
LOWEST_RATIO = 0.98
# Recipe, options, steps of a run. Tiny steps show the cost of a call, large ones what users get.
CASES = {
    'MAE, ViT of the demo, 64 px, batch 32': (
        'configs/demo/mae_vit-demo-p8_1xb32-coslr-2000i_scenes-64x64.py',
        {},
        60,
    ),
    'MAE ViT-S/16, 224 px, batch 8': (
        'configs/pretrain/mae/mae_vit-small-p16_8xb512-amp-coslr-800e_in1k.py',
        {'train_dataloader.batch_size': 8, 'optim_wrapper.dtype': 'bfloat16'},
        20,
    ),
}


class StepClock(Hook):
    """Note the processor time and the wall time at the end of each step."""

    priority = 'LOWEST'

    def __init__(self) -> None:
        self.ends: list[float] = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        """Look at the clock."""
        self.ends.append(time.perf_counter())

    def step_times(self) -> list[float]:
        """Seconds of each counted step."""
        counted = self.ends[UNTIMED:]
        return [after - before for before, after in zip(counted, counted[1:], strict=False)]


def write_pictures(folder: Path, count: int) -> None:
    """Write random pictures, as smooth as photographs."""
    generator = np.random.default_rng(0)
    folder.mkdir()
    for i in range(count):
        coarse = generator.integers(0, 256, (8, 10, 3), dtype=np.uint8)
        picture = cv2.resize(coarse, (320, 256), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f'{i:03}.jpg'), picture)


def recipe(name: str, options: dict, pictures: Path, steps: int) -> Config:
    """Read a recipe and make it short: no checkpoint but the last, no drawings."""
    cfg = load_config(name)
    cfg.merge_from_dict(options)
    dataset = cfg.train_dataloader.dataset
    dataset.update(type='CustomDataset', data_root=str(pictures.parent), data_prefix=pictures.name)
    dataset.with_label = False
    for key in ('split', 'ann_file', 'metainfo', 'indices'):
        dataset.pop(key, None)
    cfg.train_dataloader.update(num_workers=0, persistent_workers=False)
    cfg.train_cfg = dict(type='AccumulatingIterTrainLoop', max_iters=steps)
    cfg.optim_wrapper.pop('accumulative_counts', None)
    cfg.train_dataloader.sampler = dict(type='InfiniteSampler', shuffle=True)
    cfg.param_scheduler = None
    cfg.visualizer = None
    cfg.custom_hooks = []
    cfg.default_hooks.checkpoint.interval = -1
    cfg.log_level = 'ERROR'
    return cfg


def without_guards(cfg: Config) -> Config:
    """Leave everything to MMEngine."""
    cfg.train_cfg.type = 'IterBasedTrainLoop'
    for name in GUARDS:
        cfg.default_hooks.pop(name, None)
    cfg.default_hooks.checkpoint.type = 'CheckpointHook'
    return cfg


def step_times(cfg: Config, folder: Path) -> list[float]:
    """Train, and return the seconds of each counted step."""
    clock = StepClock()
    with restored_state(), tempfile.TemporaryDirectory(dir=folder) as work_dir:
        cfg.work_dir = work_dir
        import_framework(cfg.default_scope)
        runner = Runner.from_cfg(cfg)
        runner.register_hook(clock)
        runner.train()
    return clock.step_times()


def main() -> int:
    """Print the table; return 1 if a ratio is below the lowest that is acceptable."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--repeats', type=int, default=7, help='pairs of runs for each case')
    repeats = parser.parse_args().repeats
    ratios = []
    print('| run | step with | step without | throughput with / without |')
    print('| --- | --- | --- | --- |')
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_pictures(folder / 'pictures', 64)
        for case, (config, options, steps) in CASES.items():
            guarded, plain = [], []
            for _ in range(repeats):
                cfg = recipe(config, options, folder / 'pictures', steps)
                set_guards(cfg)
                guarded += step_times(cfg, folder)
                cfg = recipe(config, options, folder / 'pictures', steps)
                plain += step_times(without_guards(cfg), folder)
            medians = [1000 * statistics.median(times) for times in (guarded, plain)]
            ratios.append(medians[1] / medians[0])
            print(f'| {case} | {medians[0]:.1f} ms | {medians[1]:.1f} ms | {ratios[-1]:.3f} |')
    return int(min(ratios) < LOWEST_RATIO)


if __name__ == '__main__':
    sys.exit(main())
