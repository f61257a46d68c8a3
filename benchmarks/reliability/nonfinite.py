"""Runs small trainings whose numbers cease to be finite; each must end well.

    python benchmarks/reliability/nonfinite.py [--cost] [WORD ...]

A run whose cause passes must end with exit code 0 and finite weights. One whose cause stays must
end with another exit code and one sentence, and leave checkpoints with finite weights alone. Where
a picture is spoilt, the kept step must fail again when it is replayed. With words, only runs whose
names contain one of them are made. ``--cost`` times steps with and without the guard instead,
alternating in one process.
"""

import argparse
import json
import logging
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

import checkout  # noqa: F401  so that tests can be imported
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from torch import nn

import mae_transfer  # noqa: F401  before anything imports mmcv
from mae_transfer.kept_steps.kept_step import keep_step
from mae_transfer.layers.block import Block
from mae_transfer.optim.finite_steps import FiniteSteps
from mae_transfer.run.replay import replay_step
from tests.configs_suite.tiny_data import make_ade, make_coco, make_imagenet
from tests.support.ranks import run_ranks
from tests.support.spoilt_steps import (
    print_end_of_rank,
    run_to_end,
    spoilt_config,
)
from tests.support.tools import CONFIGS

LOOP = {'train_cfg.type': 'AccumulatingIterTrainLoop'}
NEVER = dict(steps=())
SHARDED = {
    'runner_type': 'FlexibleRunner',
    'strategy': dict(type='FullyShardStrategy', units=['Linear']),
    'env_cfg': dict(dist_cfg=dict(backend='gloo')),
}
HUGE_RATE = {'optim_wrapper.optimizer.lr': 1e20, 'param_scheduler': None}
PASSES, STAYS = 'the cause passes', 'the cause stays'

# Name: (what is spoilt, changes of the config, what must come of it).
LINES: dict[str, tuple[dict, dict, str]] = {
    'one picture is NaN, once': (dict(steps=[4], kind='picture'), {}, PASSES),
    'one picture is NaN, in each epoch': (dict(points=[5], max_iters=24), {}, PASSES),
    'the loss is infinite in one step': (dict(steps=[4]), {}, PASSES),
    'the gradient alone is NaN in one step': (dict(steps=[4], kind='gradient'), {}, PASSES),
    'the loss is infinite in the first step': (dict(steps=[1]), {}, PASSES),
    'three steps in a row, once': (dict(steps=[5, 6, 7]), {}, PASSES),
    'three steps in a row, three times': (
        dict(steps=[5, 6, 7, 11, 12, 13, 17, 18, 19]), {}, PASSES,
    ),
    'all steps from the fifth on': (dict(after=4), {}, STAYS),
    'all steps, no checkpoint yet': (dict(after=0), {}, STAYS),
    'a learning rate of 1e20': (NEVER, HUGE_RATE, STAYS),
    'weights are NaN at one step': (dict(steps=[5], kind='weights'), {}, PASSES),
    'weights are NaN again and again': (
        dict(steps=[5, 9, 13, 17, 21, 25], kind='weights'), {}, STAYS,
    ),
    'one of three accumulated parts': (dict(steps=[4], counts=3, kind='picture'), {}, PASSES),
    'clipped by value': (
        dict(steps=[4], kind='gradient'),
        {'optim_wrapper.clip_grad': dict(type='value', clip_value=0.1, _delete_=True)}, PASSES,
    ),
    'not clipped': (dict(steps=[4]), {'optim_wrapper.clip_grad': None}, PASSES),
    'bfloat16': (dict(steps=[4]), {'optim_wrapper.type': 'AutocastOptimWrapper'}, PASSES),
    'averaged weights (EMA)': (
        dict(steps=[4, 8]),
        {'custom_hooks': [dict(type='EMAHook'), dict(type='SpoilHook', steps=[4, 8])]}, PASSES,
    ),
    'fused optimizer': (dict(steps=[4]), {'optim_wrapper.optimizer.fused': True}, PASSES),
    "MMEngine's loop, in epochs": (
        dict(steps=[4]),
        {
            'train_cfg': dict(by_epoch=True, max_epochs=2, _delete_=True),
            'train_dataloader.sampler.type': 'DefaultSampler',
        },
        PASSES,
    ),
}  # fmt: skip
RANKS: dict[str, tuple[dict, dict, str]] = {
    'two processes, one of them spoilt': (dict(steps=[2, 5, 6, 7], process=1), {}, PASSES),
    'two processes, one of them spoilt for good': (dict(after=4, process=1), {}, STAYS),
    'two processes with sharded weights': (dict(steps=[2, 5, 6, 7], process=1), SHARDED, PASSES),
    'two processes with sharded weights, for good': (dict(after=4, process=1), SHARDED, STAYS),
}
# Name: (config, how its data are made, what is spoilt, what must come of it).
MODELS: dict[str, tuple[str, Callable[[Path], None], dict, str]] = {
    'MAE': ('tiny_mae', make_imagenet, dict(steps=[3], kind='picture'), PASSES),
    'MAE, for good': ('tiny_mae', make_imagenet, dict(after=3, kind='picture'), STAYS),
    'Mask R-CNN': ('tiny_mask_rcnn', make_coco, dict(steps=[3], kind='picture'), PASSES),
    'Mask R-CNN, weights': ('tiny_mask_rcnn', make_coco, dict(steps=[3], kind='weights'), PASSES),
    'UperNet, with batch norm': ('tiny_upernet', make_ade, dict(steps=[3], kind='picture'), PASSES),
    'UperNet, for good': ('tiny_upernet', make_ade, dict(after=3, kind='picture'), STAYS),
}


def model_config(folder: Path, name: str, make: Callable[[Path], None], spoil: dict) -> Config:
    """Config of eight steps of a small model on random pictures."""
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    make(folder / 'data')
    cfg.train_dataloader.dataset.data_root = str(folder / 'data')
    cfg.train_cfg = dict(type='AccumulatingIterTrainLoop', max_iters=8)
    for key in list(cfg):
        if key.startswith(('val_', 'test_')):
            cfg[key] = None
    cfg.custom_hooks = [dict(type='SpoilHook', **spoil)]
    cfg.work_dir, cfg.log_level = str(folder / 'run'), 'ERROR'
    return cfg


def finite_checkpoints(folder: Path) -> int | None:
    """Count the checkpoints of a run; None if one has a number that is not finite."""
    paths = list(folder.glob('*.pth'))
    for path in paths:
        content = torch.load(path, weights_only=False)
        for key in ('state_dict', 'ema_state_dict'):
            if not all(value.isfinite().all() for value in content.get(key, {}).values()):
                return None
    return len(paths)


def judge(wanted: str, code: int, printed: str, folder: Path) -> tuple[bool, str]:
    """Return whether a run ended well, and how it ended in words."""
    count = finite_checkpoints(folder)
    told = f'exit {code}, {"spoilt" if count is None else count} checkpoints'
    if count is None:
        return False, told
    if wanted == PASSES:
        return code == 0 and count > 0, told if code == 0 else f'{told}: {printed[-300:]}'
    errors = [line for line in printed.splitlines() if line.startswith(('error', 'Traceback'))]
    one_sentence = len(errors) == 1 and errors[0].startswith('error')
    return code == 2 and one_sentence, told if one_sentence else f'{told}: {printed[-300:]}'


def run(name: str, folder: Path) -> tuple[bool, str]:
    """Make one run."""
    if name in RANKS:
        spoil, changes, wanted = RANKS[name]
        arguments = (str(folder / 'run'), LOOP | changes, spoil)
        printed = run_ranks(print_end_of_rank, *arguments, folder=folder)
        ends = [
            json.loads(line[4:])
            for text in printed for line in text.splitlines() if line.startswith('END ')
        ]  # fmt: skip
        judged = [judge(wanted, code, text, folder / 'run') for code, text in ends]
        return len(ends) == 2 and all(good for good, _ in judged), judged[0][1]
    if name in MODELS:
        config, make, spoil, wanted = MODELS[name]
        cfg = model_config(folder, config, make, spoil)
    else:
        spoil, changes, wanted = LINES[name]
        cfg = spoilt_config(folder / 'run', **spoil)
        cfg.merge_from_dict(LOOP | changes)
    with (folder / 'printed.txt').open('w') as stream, redirect_stdout(stream):
        code, printed = run_to_end(cfg)
        good, told = judge(wanted, code, printed, folder / 'run')
        if spoil.get('kind') == 'picture':
            first = min((folder / 'run' / 'nonfinite').iterdir(), key=lambda path: path.name)
            replayed = replay_step(first).reproduced
            good, told = good and replayed, f'{told}, {"" if replayed else "not "}replayed'
    return good, told


class Encoder(nn.Module):
    """Transformer blocks on random tokens, and a loss."""

    def __init__(self, width: int, depth: int, heads: int, tokens: int, images: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(depth)))
        self.x = torch.randn(images, tokens, width)

    def forward(self) -> torch.Tensor:
        """Compute the loss."""
        return self.blocks(self.x).square().mean()


# Name: width, depth, heads, tokens, images, pairs of steps to time.
SIZES = {
    'small (width 192, 4 blocks, 16 x 49 tokens)': (192, 4, 3, 49, 16, 30),
    'as ViT-B (width 768, 4 blocks, 8 x 49 tokens)': (768, 4, 12, 49, 8, 12),
}


def cost(size: tuple[int, ...], clip: dict | None) -> tuple[float, float, float]:
    """Time steps with and without the guard, by turns, in processor time.

    Args:
        size: See ``SIZES``.
        clip: How gradients are clipped.

    Returns:
        Medians in milliseconds: of a step without the guard, of the difference within a pair of
        steps, and of what the guard adds, timed by itself.
    """
    *shape, pairs = size
    torch.manual_seed(0)
    model = Encoder(*shape)
    wrapper = OptimWrapper(torch.optim.AdamW(model.parameters(), lr=1e-6), clip_grad=clip)
    part = {'inputs': [torch.zeros(3, 8, 8, dtype=torch.uint8)] * shape[-1]}

    def timed(work: Callable[[], object]) -> float:
        start = time.process_time()
        work()
        return (time.process_time() - start) * 1e3

    def step() -> None:
        wrapper.update_params(model())

    def guarded_step() -> None:
        steps.context = keep_step(1, [part], [])
        step()

    def added() -> None:
        """The norm is computed for clipping, too, so that it adds nothing there."""
        keep_step(1, [part], [])
        if clip is None:
            steps._measure()

    plain, differences, alone = [], [], []
    for i in range(pairs + 1):
        times = {}
        for guarded in (False, True) if i % 2 else (True, False):
            if not guarded:
                times[guarded] = timed(step)
                continue
            steps = FiniteSteps(wrapper, lambda outcome: None)
            times[guarded] = timed(guarded_step)
            model().backward()
            alone.append(timed(added))
            wrapper.zero_grad()
            steps.detach()
        plain.append(times[False])
        differences.append(times[True] - times[False])
    return tuple(statistics.median(values[1:]) for values in (plain, differences, alone))


def print_costs() -> None:
    """Print a table of the cost of the guard."""
    print('| model | clipped | step, ms | guarded - not, ms | guard alone, ms | share |')
    print('| --- | --- | --- | --- | --- | --- |')
    for name, size in SIZES.items():
        for clip in (dict(max_norm=1.0), None):
            plain, difference, alone = cost(size, clip)
            row = f'{"yes" if clip else "no"} | {plain:.1f} | {difference:.2f} | {alone:.2f}'
            print(f'| {name} | {row} | {100 * alone / plain:.2f} % |', flush=True)


def main() -> int:
    """Make the runs; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--cost', action='store_true', help='time steps instead')
    parser.add_argument('words', nargs='*', help='parts of names of runs')
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.simplefilter('ignore')
    if args.cost:
        print_costs()
        return 0
    names = [*LINES, *RANKS, *MODELS]
    wanted = [n for n in names if not args.words or any(word in n for word in args.words)]
    bad = 0
    print('| tried | good | how it ended |\n| --- | --- | --- |')
    for name in wanted:
        with tempfile.TemporaryDirectory() as folder:
            good, told = run(name, Path(folder))
        bad += not good
        told = told.replace('\n', ' ')
        print(f'| {name} | {"yes" if good else "NO"} | {told} |', flush=True)
    print(f'\n{len(wanted) - bad} of {len(wanted)} runs ended well')
    return int(bad > 0)


if __name__ == '__main__':
    sys.exit(main())
