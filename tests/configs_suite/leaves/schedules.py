"""Lengths and learning-rate schedules of all recipes."""

from tests.configs_suite.leaves.tree import Tree


def half_cosine(
    length: int,
    warm: int,
    lowest: Tree,
    start: float = 0.0,
    by_epoch: bool = True,
    **line: object,
) -> Tree:
    """A line up, then half a cosine down.

    Args:
        length: Epochs or iterations.
        warm: How many of them the line takes.
        lowest: ``eta_min`` or ``eta_min_ratio``.
        start: Factor of the peak that the line starts at.
        by_epoch: Whether the unit is an epoch; the rate changes in every step all the same.
        line: Other arguments of the warm-up: ``endpoint``.
    """
    unit = dict(by_epoch=by_epoch, **(dict(convert_to_iter_based=True) if by_epoch else {}))
    up = dict(type='LinearWarmupLR', start_factor=start, begin=0, end=warm, **line, **unit)
    down = dict(type='CosineAnnealingLR', begin=warm, end=length, **lowest, **unit)
    return dict(param_scheduler=[up, down], train_cfg=loop(length, by_epoch))


def loop(length: int, by_epoch: bool) -> Tree:
    """A training loop that counts optimizer steps."""
    if by_epoch:
        return dict(type='AccumulatingEpochTrainLoop', max_epochs=length)
    return dict(type='AccumulatingIterTrainLoop', max_iters=length)


def until(length: int, warm: int | None = None, counter: str = 'max_epochs') -> Tree:
    """The differences of another length, and of another warm-up."""
    differences: Tree = {'param_scheduler.1.end': length, f'train_cfg.{counter}': length}
    if warm is not None:
        differences |= {'param_scheduler.0.end': warm, 'param_scheduler.1.begin': warm}
    return differences


def under_cosine(length: int, warm: float) -> Tree:
    """CIFAR's, by IcarusWizard/MAE: the lower of a line and a half cosine, both from step 0."""
    schedule = dict(type='WarmupUnderCosineLR', warmup=warm, end=length, by_epoch=True)
    return dict(param_scheduler=[schedule], train_cfg=loop(length, by_epoch=True))


def cosine_alone(length: int, lowest: float) -> Tree:
    """The tokenizers': no warm-up."""
    curve = dict(type='CosineAnnealingLR', eta_min=lowest, by_epoch=False, begin=0, end=length)
    return dict(param_scheduler=[curve], train_cfg=loop(length, by_epoch=False))


def _line(end: int, start: float) -> Tree:
    return dict(type='LinearWarmupLR', start_factor=start, by_epoch=False, begin=0, end=end)


def _tenths(milestones: list[int], end: int, **unit: object) -> Tree:
    """A tenth of the rate at each milestone."""
    return dict(type='MultiStepLR', gamma=0.1, milestones=milestones, begin=0, end=end, **unit)


# ViTDet, Table 11: batches of 64, 250 iterations of warm-up, a tenth at 8/9 and at 26/27.
VITDET = dict(
    param_scheduler=[
        _line(250, 0.001),
        _tenths([163889, 177546], 184375, by_epoch=False),
    ],
    train_cfg=dict(loop(184375, by_epoch=False), val_interval=5000),
)


def vitdet_until(length: int, milestones: list[int]) -> Tree:
    """The differences of another length of ViTDet's schedule."""
    return {**until(length, counter='max_iters'), 'param_scheduler.1.milestones': milestones}


# Li et al. 2021, MIMDet: ViTDet's length, a warm-up of a quarter of an epoch, and a cosine that
# starts in step 0.
BENCHMARK = dict(
    param_scheduler=[
        dict(
            type='WarmupUnderCosineLR',
            start_factor=0.001,
            warmup=460.9375,
            end=184375,
            by_epoch=False,
        )
    ],
    train_cfg=dict(loop(184375, by_epoch=False), val_interval=5000),
)


def benchmark_until(length: int) -> Tree:
    """The differences of another length of the benchmark's schedule."""
    return {'param_scheduler.0.end': length, 'train_cfg.max_iters': length}


# CAE's 1x schedule: MMDetection's, with 500 iterations of warm-up.
CAE_1X = dict(
    param_scheduler=[
        _line(500, 0.001),
        _tenths([9, 11], 12, by_epoch=True, convert_to_iter_based=True),
    ],
    train_cfg=dict(loop(12, by_epoch=True), val_interval=1),
)

# UperNet of BEiT, MAE and CAE: a straight line from step 0 to 0 in step 160000. (PolyLR gets there
# in step `end` - 1.)
UPERNET = dict(
    param_scheduler=[
        _line(1500, 1e-6),
        dict(type='PolyLR', power=1.0, eta_min=0.0, by_epoch=False, begin=0, end=160001),
    ],
    train_cfg=dict(loop(160000, by_epoch=False), val_interval=16000),
)
