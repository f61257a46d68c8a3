"""Stops and resumes small runs of all kinds; every later loss must be that of a whole run.

    python benchmarks/reliability/resume.py [WORD ...]

Each recipe is made small and trains on a few random pictures: once from start to end, and once up
to a step, from which it is resumed. With words, only set-ups whose names contain one of them run.
"""

import json
import logging
import sys
import tempfile
import time
import warnings
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path

import checkout  # noqa: F401  so that tests can be imported

import mae_transfer  # noqa: F401  before anything imports mmcv
from tests.support.ranks import run_ranks
from tests.support.resumed_runs import (
    largest_difference,
    print_losses_of_rank,
    recipe,
    whole_and_resumed,
)

TOLERANCE = 1e-6

MAE = 'demo/mae_vit-demo-p8_1xb32-coslr-2000i_scenes-64x64.py'
MAE_EPOCHS = 'pretrain/mae/mae_vit-base-p16_8xb512-amp-coslr-800e_in1k.py'
MAE_REPEAT = 'pretrain/mae/ablation/mae_vit-large-p16_repeat-4_8xb512-amp-coslr-200e_in1k.py'
CAE_PIXEL = 'pretrain/cae/cae_vit-base-p16_pixel_8xb256-amp-coslr-300e_in1k.py'
CAE_TOKENS = 'pretrain/cae/cae_vit-base-p16_8xb256-amp-coslr-300e_in1k.py'
DVAE = 'pretrain/dvae/dvae_conv-base-p8_8xb64-amp-ema-coslr-250k_in1k-112x112.py'
CLASSIFY = 'classification/vit-base-p16_32xb128-amp-ema-coslr-300e_in1k.py'
PROBE = 'classification/vit-base-p16_mae-pre_32xb512-amp-linear-coslr-90e_in1k.py'
DETECT_ITERS = 'detection/mask-rcnn_vit-base-p16_mae-pre_simple-fpn_16xb4-amp-lsj-100e_coco.py'
DETECT_EPOCHS = 'detection/mask-rcnn_vit-base-p16_mae-pre_fpn_16xb2-amp-ms-12e_coco.py'
SEGMENT = 'segmentation/upernet_vit-base-p16_mae-pre_8xb2-amp-160k_ade20k-512x512.py'

WORKERS_2 = dict(train_dataloader__num_workers=2)
WORKERS_4 = dict(train_dataloader__num_workers=4)
UNVALIDATED = dict(  # an untrained detector's validation takes minutes
    WORKERS_2, val_cfg=None, val_dataloader=None, val_evaluator=None,
)  # fmt: skip
PERSISTENT = dict(WORKERS_2, train_dataloader__persistent_workers=True)
FLEXIBLE = dict(
    runner_type='FlexibleRunner', strategy=dict(type='FullyShardStrategy'),
    env_cfg__cudnn_benchmark=False,
)  # fmt: skip

# name: recipe, changes, step of the stop, length; an epoch has 11 steps of 2 pictures
SETUPS = {
    'MAE, iterations, 0 workers': (MAE, {}, 7, dict(iters=13)),
    'MAE, iterations, 2 workers': (MAE, WORKERS_2, 7, dict(iters=13)),
    'MAE, iterations, 4 workers': (MAE, WORKERS_4, 7, dict(iters=13)),
    'MAE, over three passes of a finite sampler, 2 workers': (
        MAE, dict(WORKERS_2, train_dataloader__sampler__type='DefaultSampler'), 19, dict(iters=27),
    ),
    'MAE, epochs, bf16, in the middle of one, 0 workers': (MAE_EPOCHS, {}, 7, dict(epochs=2)),
    'MAE, epochs, bf16, in the middle of one, 4 workers that persist': (
        MAE_EPOCHS, dict(WORKERS_4, train_dataloader__persistent_workers=True), 15, dict(epochs=3),
    ),
    'MAE, epochs, bf16, at the end of one': (MAE_EPOCHS, WORKERS_2, 11, dict(epochs=2)),
    'MAE, 3 forward passes a step, short last step': (
        MAE_EPOCHS, dict(WORKERS_2, optim_wrapper__accumulative_counts=3,
                         train_dataloader__drop_last=False), 6, dict(epochs=3),
    ),
    'MAE, repeated sampling (4 views)': (MAE_REPEAT, WORKERS_2, 5, dict(epochs=1)),
    'MAE, no seed given': (MAE, dict(WORKERS_2, randomness__seed=None), 7, dict(iters=13)),
    'CAE, pixels, blocks of patches': (CAE_PIXEL, WORKERS_2, 7, dict(iters=13)),
    "CAE, DALL-E's tokens": (CAE_TOKENS, WORKERS_2, 7, dict(iters=13)),
    'd-VAE, bf16, EMA, annealed temperature': (DVAE, PERSISTENT, 7, dict(iters=13)),
    'classification, bf16, mixup, drop path, EMA': (CLASSIFY, WORKERS_2, 7, dict(epochs=2)),
    'classification, samples repeated in the batch': (
        CLASSIFY, dict(WORKERS_4, train_dataloader__sampler=dict(type='RepeatAugSampler')),
        17, dict(epochs=2),
    ),
    'linear probe, LARS': (PROBE, WORKERS_2, 7, dict(epochs=2)),
    'Mask R-CNN, iterations, large-scale jitter': (DETECT_ITERS, UNVALIDATED, 3, dict(iters=6)),
    'Mask R-CNN, epochs, batches by aspect ratio': (DETECT_EPOCHS, UNVALIDATED, 3, dict(epochs=1)),
    'Mask R-CNN, iterations, batches by aspect ratio': (
        DETECT_EPOCHS, UNVALIDATED, 13, dict(iters=16),
    ),
    'UperNet, photometric distortion, dropout, validation on the way': (
        SEGMENT, dict(WORKERS_2, train_cfg__val_interval=40_000), 5, dict(iters=11),
    ),
}  # fmt: skip
ON_TWO_RANKS = {
    'MAE on two ranks, 2 workers each': (MAE, WORKERS_2, 5, 9),
    'Mask R-CNN on two ranks': (DETECT_ITERS, {}, 3, 6),
    'MAE on two ranks, sharded (FlexibleRunner)': (MAE, {**WORKERS_2, **FLEXIBLE}, 5, 9),
}


def on_two_ranks(path: str, options: dict, stop: int, iters: int, folder: Path) -> float:
    """Return the largest difference after a resume, over both ranks."""

    def losses(name: str, stop: int | None, resume: str | None = None) -> list[dict[int, float]]:
        place = folder / f'{name}-{resume}'
        place.mkdir()
        printed = run_ranks(
            print_losses_of_rank, path, options, folder / name, stop, resume, iters, folder=place
        )
        lines = [
            next(line for line in text.splitlines() if line.startswith('LOSSES '))
            for text in printed
        ]
        return [
            {int(step): loss for step, loss in json.loads(line[len('LOSSES ') :]).items()}
            for line in lines
        ]

    whole = losses('whole', None)
    losses('cut', stop)
    resumed = losses('cut', None, 'latest')
    assert whole[0] != whole[1]  # each rank has its own pictures and masks
    return max(map(partial(largest_difference, stop=stop), whole, resumed))


def main() -> int:
    """Run the set-ups and print a table of them."""
    warnings.simplefilter('ignore')
    logging.disable(logging.WARNING)
    words = sys.argv[1:]
    good, steps, lines = 0, 0, []
    for name, (path, options, stop, length) in {**SETUPS, **ON_TWO_RANKS}.items():
        if words and not any(word in name for word in words):
            continue
        begun = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            try:
                if name in ON_TWO_RANKS:
                    later = length - stop
                    difference = on_two_ranks(path, options, stop, length, Path(folder))
                else:
                    with redirect_stdout(sys.stderr):
                        whole, resumed = whole_and_resumed(
                            partial(recipe, path, **options), Path(folder), stop, **length
                        )
                    later = len(resumed)
                    difference = largest_difference(whole, resumed, stop)
                seen = f'{difference:.1e}'
            except (AssertionError, ValueError, RuntimeError) as error:
                difference, seen, later = float('inf'), f'{type(error).__name__}: {error}', 0
                print(error, file=sys.stderr)
        good += difference <= TOLERANCE
        steps += later
        verdict = 'yes' if difference <= TOLERANCE else 'NO'
        lines.append(f'| {name} | {stop} | {later} | {seen[:200]} | {verdict} |')
        print(f'{lines[-1]} {time.perf_counter() - begun:.0f} s', file=sys.stderr, flush=True)
    print('| run | stopped after step | steps compared | largest difference of a loss | equal |')
    print('| --- | --- | --- | --- | --- |')
    print('\n'.join(lines))
    print(f'\n| tried | good |\n| --- | --- |\n| {len(lines)} | {good} |')
    print(f'\n{steps} steps after a resume were compared; equal means to {TOLERANCE:g}.')
    return 0 if good == len(lines) else 1


if __name__ == '__main__':
    sys.exit(main())
