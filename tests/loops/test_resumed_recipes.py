"""Recipes, made small, that are resumed: each loss is that of an uninterrupted run.

`benchmarks/reliability/resume.py` shows more kinds of runs, among them those on two ranks.
"""

import pytest

from tests.support.resumed_runs import largest_difference, recipe, whole_and_resumed

CLASSIFY = 'classification/vit-base-p16_32xb128-amp-ema-coslr-300e_in1k.py'
DETECT = 'detection/mask-rcnn_vit-base-p16_mae-pre_fpn_16xb2-amp-ms-12e_coco.py'
NOT_VALIDATED = dict(val_cfg=None, val_dataloader=None, val_evaluator=None)


@pytest.mark.slow
@pytest.mark.parametrize(
    ('path', 'stop', 'length', 'options'),
    [
        # mixup, drop path, EMA, bf16, persistent workers; in the second epoch of 11 steps
        (CLASSIFY, 13, dict(epochs=2), dict(train_dataloader__persistent_workers=True)),
        # batches by aspect ratio, sampled boxes; in the first epoch. Its validation takes minutes.
        (DETECT, 3, dict(iters=5), NOT_VALIDATED),
    ],
    ids=['classification', 'detection'],
)
def test_recipe__goes_on_as_the_whole_run(path, stop, length, options, tmp_path):
    whole, resumed = whole_and_resumed(
        lambda: recipe(path, train_dataloader__num_workers=2, **options), tmp_path, stop, **length
    )
    assert largest_difference(whole, resumed, stop) <= 1e-6
