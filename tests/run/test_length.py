"""Another length than the recipe's: the schedule follows and ends with the run."""

import math
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import PARAM_SCHEDULERS

from mae_transfer.run.epoch import Epoch
from mae_transfer.run.length import (
    check_lengths,
    count_validations,
    length_of,
    set_length,
    validate_once,
)
from mae_transfer.run.places import ROOT
from tests.support.least_squares import config as least_squares

SCHEDULES = ROOT / 'configs' / '_base_' / 'schedules'
VITDET = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=250),
    dict(type='MultiStepLR', gamma=0.1, by_epoch=False, begin=0, end=2000, milestones=[1600, 1900]),
]
# MMEngine's warm-up, of a user's config, is full in step end - 1; ours in step end.
COSINE = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', eta_min=0.0, by_epoch=False, begin=100, end=2000),
]
WARMUP = [
    dict(type='LinearWarmupLR', start_factor=0.001, by_epoch=False, begin=0, end=100),
    COSINE[1],
]
UPERNET = [
    dict(type='LinearWarmupLR', start_factor=1e-6, by_epoch=False, begin=0, end=30),
    dict(type='PolyLR', power=1.0, eta_min=0.0, by_epoch=False, begin=0, end=2001),
]
EPOCHS = [
    dict(type='LinearLR', start_factor=1e-3, begin=0, end=5, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', T_max=95, begin=5, end=100, convert_to_iter_based=True),
]


def recipe(schedulers: list, loop: dict | None = None, **more) -> Config:
    """A recipe on 32 points in batches of 8: an epoch takes four steps."""
    cfg = least_squares(8, 1, dict(type='IterBasedTrainLoop', max_iters=2000), work_dir=Path('run'))
    cfg.train_cfg = loop or cfg.train_cfg
    cfg.merge_from_dict(more)
    cfg.param_scheduler = [dict(scheduler) for scheduler in schedulers]
    cfg.default_hooks = dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=500))
    return cfg


def lengthen(cfg: Config, options: dict | None = None, **length) -> str:
    """Merge options and set the length as a run does; return what it says."""
    former = length_of(cfg)
    cfg.merge_from_dict(options or {})
    return '\n'.join(set_length(cfg, former, options or {}, **length))


def rates(cfg: Config, epoch_length: int = 4) -> list[float]:
    """Learning rate of each step of a run, from 1.0, by MMEngine's schedulers."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    unit, length = length_of(cfg)
    steps = length if unit == 'max_iters' else length * epoch_length
    schedulers = [
        PARAM_SCHEDULERS.build(
            dict(scheduler), default_args=dict(optimizer=optimizer, epoch_length=epoch_length)
        )
        for scheduler in cfg.param_scheduler
    ]
    found = []
    for step in range(1, steps + 1):
        found.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in schedulers:
            if not scheduler.by_epoch or step % epoch_length == 0:
                scheduler.step()
    return found


def test_set_length__twelve_of_2000_iterations_leave_the_warm_up():
    """Warm-up 250 x 12/2000 = 1.5, so 2; milestones 9.6 and 11.4, so 10 and 11."""
    cfg = recipe(VITDET)
    told = lengthen(cfg, iters=12)
    assert 'length 2000 -> 12 iterations: warm-up 250 -> 2, milestones 1600 1900 -> 10 11' in told
    assert 'checkpoint every 500 -> 3' in told
    assert rates(cfg) == pytest.approx([0.001, *[1.0] * 9, 0.1, 0.01])


def test_set_length__the_option_alone_moves_the_schedule():
    cfg = recipe(VITDET)
    told = lengthen(cfg, {'train_cfg.max_iters': 12})
    assert 'warm-up 250 -> 2' in told
    assert rates(cfg)[2] == pytest.approx(1.0)


def test_set_length__of_twice_the_length_ends_at_zero_at_the_end():
    """Before, the second half of 4000 iterations stood still at the end of the cosine."""
    cfg = recipe(COSINE)
    told = lengthen(cfg, iters=4000)
    assert 'length 2000 -> 4000 iterations: warm-up 100 -> 200' in told
    found = rates(cfg)
    assert found[200] == pytest.approx(1.0)
    middle, last = 2100, 3999
    assert found[middle] == pytest.approx(0.5, abs=1e-3)
    assert 0 < found[last] < 1e-5
    step = 1500  # half a cosine over 3800 steps
    assert found[step] == pytest.approx((1 + math.cos(math.pi * (step - 200) / 3800)) / 2)


def test_set_length__of_the_recipe_changes_nothing():
    cfg = recipe(COSINE)
    before = cfg.to_dict()
    assert lengthen(cfg) == lengthen(cfg, iters=2000) == ''
    assert cfg.to_dict() == before


@pytest.mark.parametrize('iters', [1, 2, 3])
def test_set_length__of_the_shortest_runs_ends_at_full_rate_or_below(iters):
    """One and two steps have no room for a warm-up of two steps."""
    cfg = recipe(COSINE)
    lengthen(cfg, iters=iters)
    found = rates(cfg)
    assert len(found) == iters
    assert max(found) == pytest.approx(1.0)
    assert found[0] == pytest.approx(0.001 if iters == 3 else 1.0)


@pytest.mark.parametrize(
    'iters, expected',
    [(1, [1.0]), (2, [0.001, 1.0]), (3, [0.001, 1.0, (1 + math.cos(math.pi / 2)) / 2])],
)
def test_set_length__of_the_shortest_runs_has_a_step_at_the_full_rate(iters, expected):
    """One step is enough for a warm-up that is full in its end; a single one has none."""
    cfg = recipe(WARMUP)
    lengthen(cfg, iters=iters)
    assert rates(cfg) == pytest.approx(expected)


def test_set_length__rounds_a_warm_up_where_the_decay_begins():
    """100 x 90/2000 = 4.5, but the cosine begins in a whole step."""
    cfg = recipe(WARMUP)
    told = lengthen(cfg, iters=90)
    assert 'warm-up 100 -> 4' in told
    assert (cfg.param_scheduler[0].end, cfg.param_scheduler[1].begin) == (4, 4)
    assert rates(cfg)[3:5] == pytest.approx([0.001 + 0.999 * 3 / 4, 1.0])


@pytest.mark.parametrize('iters', [100, 333, 2000, 5000])
def test_set_length__scales_a_warm_up_under_a_decay_exactly(iters):
    """BEiT's formula in every step, where the warm-up is 30/2000 of the run, and 0 comes after."""
    cfg = recipe(UPERNET)
    lengthen(cfg, iters=iters)
    assert cfg.param_scheduler[1].end == iters + 1
    warm = 30 / 2000 * iters
    line = [1 - (1 - min(1, t / warm)) * (1 - 1e-6) for t in range(iters)]
    expected = [(1 - t / iters) * factor for t, factor in enumerate(line)]
    assert rates(cfg) == pytest.approx(expected, rel=1e-9)


def test_set_length__drops_a_warm_up_that_would_be_the_whole_run():
    """30/2000 of a step: it would end before step 1, which a run of one step does not have."""
    cfg = recipe(UPERNET)
    lengthen(cfg, iters=1)
    assert rates(cfg) == [1.0]


def test_set_length__scales_a_warm_up_between_two_steps():
    """187.4997 of 138281 in Detectron2's ViT-H; a tenth of it stays between two steps."""
    cfg = recipe([dict(UPERNET[0], end=187.4997)], dict(type='IterBasedTrainLoop', max_iters=1000))
    told = lengthen(cfg, iters=100)
    assert 'warm-up 187.5 -> 18.75' in told
    assert cfg.param_scheduler[0].end == pytest.approx(18.74997)


def test_set_length__keeps_the_endpoint_of_a_warm_up():
    """NumPy's linspace of 20/4 points is full in the last of them."""
    cfg = recipe([dict(WARMUP[0], start_factor=0.0, endpoint=True, end=500), WARMUP[1]])
    cfg.param_scheduler[1].begin = 500
    lengthen(cfg, iters=20)
    assert rates(cfg)[:6] == pytest.approx([0, 0.25, 0.5, 0.75, 1.0, 1.0])


def test_set_length__keeps_what_the_options_set():
    options = {'param_scheduler.0.end': 7, 'default_hooks.checkpoint.interval': 5}
    cfg = recipe(COSINE)
    told = lengthen(cfg, options, iters=20)
    assert cfg.param_scheduler[0].end == 7
    assert cfg.default_hooks.checkpoint.interval == 5
    assert cfg.param_scheduler[1].end == 20
    assert 'param_scheduler.0.end stays 7, as given' in told
    whole = recipe(VITDET)
    lengthen(whole, {'param_scheduler': [dict(COSINE[0])]}, iters=1000)
    assert whole.param_scheduler == [COSINE[0]]


def test_set_length__keeps_a_given_warm_up_under_a_cosine():
    cfg = recipe(
        [dict(type='WarmupUnderCosineLR', warmup=5, end=100)],
        dict(by_epoch=True, max_epochs=100),
    )
    told = lengthen(cfg, {'param_scheduler.0.warmup': 7}, epochs=10)
    assert cfg.param_scheduler == [dict(type='WarmupUnderCosineLR', warmup=7, end=10)]
    assert 'param_scheduler.0.warmup stays 7, as given' in told


def test_set_length__of_epochs_tears_none():
    """100 -> 3 epochs of four steps: a warm-up of .15 epochs is .6 steps, so one less no rate."""
    loop = dict(type='EpochBasedTrainLoop', max_epochs=100)
    cfg = recipe(EPOCHS, loop)
    told = lengthen(cfg, epochs=20)  # 5 -> 1 and 100 -> 20: no epoch is torn
    assert 'length 100 -> 20 epochs: warm-up 5 -> 1' in told
    assert cfg.param_scheduler[1] == dict(EPOCHS[1], T_max=19, begin=1, end=20)
    cfg = recipe(EPOCHS, loop)
    told = lengthen(cfg, epochs=3)
    assert 'length 100 -> 3 epochs: warm-up in iterations 20 -> 2' in told
    assert cfg.param_scheduler[1].to_dict() == dict(
        type='CosineAnnealingLR', by_epoch=False, T_max=10, begin=2, end=12
    )
    found = rates(cfg)
    assert len(found) == 12
    assert found[:3] == pytest.approx([1e-3, 1.0, 1.0])


def test_set_length__of_epochs_for_a_recipe_of_iterations_counts_the_data():
    cfg = recipe(COSINE)
    told = lengthen(cfg, epochs=10)
    assert '--epochs: 10 epochs of 4 steps (32 images in batches of 8) = 40 iterations' in told
    assert cfg.train_cfg.max_iters == cfg.param_scheduler[1].end == 40


def test_set_length__of_iterations_for_a_recipe_of_epochs_counts_iterations():
    """100 epochs of 4 steps are 400 iterations; 200 of them halve every time."""
    cfg = recipe(EPOCHS, dict(by_epoch=True, max_epochs=100), val_cfg=dict())
    cfg.default_hooks = dict(checkpoint=dict(type='CheckpointHook', interval=10))
    cfg.custom_hooks = [dict(type='EMAHook', begin_epoch=10)]
    told = lengthen(cfg, iters=200)
    assert '--iters: 100 epochs of 4 steps (32 images in batches of 8) = 400 iterations' in told
    assert cfg.train_cfg == dict(type='IterBasedTrainLoop', max_iters=200, val_interval=2)
    assert cfg.default_hooks.checkpoint == dict(type='CheckpointHook', by_epoch=False, interval=20)
    assert cfg.custom_hooks == [dict(type='EMAHook', begin_iter=20)]
    assert cfg.log_processor == dict(by_epoch=False)
    assert cfg.train_dataloader.sampler == dict(type='InfiniteSampler', shuffle=True)
    assert [s['end'] for s in cfg.param_scheduler] == [10, 200]
    by_epoch = recipe(EPOCHS, dict(by_epoch=True, max_epochs=50))
    by_epoch.param_scheduler[0].end = by_epoch.param_scheduler[1].begin = 2.5
    by_epoch.param_scheduler[1].update(end=50, T_max=47.5)
    assert rates(cfg) == pytest.approx(rates(by_epoch))


def test_set_length__of_iterations_takes_a_scheduler_that_states_no_unit_for_epochs():
    """As MMEngine does: 60 of 100 epochs are 240 of 400 iterations, so 120 of 200."""
    cfg = recipe(
        [dict(type='MultiStepLR', milestones=[60, 90])], dict(by_epoch=True, max_epochs=100)
    )
    lengthen(cfg, iters=200)
    assert cfg.param_scheduler == [dict(type='MultiStepLR', milestones=[120, 180], by_epoch=False)]


@pytest.mark.parametrize(
    ('before', 'after'),
    [
        # MMEngine's loop of iterations restarts it, which takes time
        (dict(type='DefaultSampler', shuffle=False), dict(type='InfiniteSampler', shuffle=False)),
        (dict(type='DefaultSampler'), dict(type='InfiniteSampler', shuffle=True)),
        (dict(type='InfiniteSampler', seed=3), dict(type='InfiniteSampler', seed=3)),
    ],
)
def test_set_length__of_iterations_replaces_the_default_sampler_alone(before, after):
    cfg = recipe(EPOCHS, dict(by_epoch=True, max_epochs=100))
    cfg.train_dataloader.sampler = before
    lengthen(cfg, iters=200)
    assert cfg.train_dataloader.sampler == after


def test_set_length__of_iterations_counts_what_mmengine_counts_in_epochs():
    """Epoch 50 of 100 is iteration 100 of 200; without a hook, each epoch has a checkpoint."""
    cfg = recipe(EPOCHS, dict(by_epoch=True, max_epochs=100, val_begin=50), val_cfg=dict())
    cfg.default_hooks = dict()
    lengthen(cfg, iters=200)
    assert cfg.train_cfg.val_begin == 100
    assert cfg.default_hooks.checkpoint == dict(type='CheckpointHook', by_epoch=False, interval=2)


@pytest.mark.parametrize(('more', 'per_step'), [({}, 0.5), (dict(convert_to_iter_based=True), 2)])
def test_set_length__of_iterations_decays_exponentially_to_the_same_end(more, per_step):
    """100 halvings, one an epoch, in 200 steps: .5 ** (1 / 2) in each.

    With MMEngine's conversion one a step, so 400 of them: .5 ** 2 in each.
    """
    cfg = recipe(
        [dict(type='ExponentialLR', gamma=0.5, **more)], dict(by_epoch=True, max_epochs=100)
    )
    lengthen(cfg, iters=200)
    assert cfg.param_scheduler[0].gamma == pytest.approx(0.5**per_step)


def test_set_length__scales_an_interval_of_one():
    loop = dict(type='IterBasedTrainLoop', max_iters=2000, val_interval=1)
    cfg = recipe(COSINE, loop, val_cfg=dict())
    lengthen(cfg, iters=6000)
    assert cfg.train_cfg.val_interval == 3


def test_set_length__of_iterations_refuses_a_hook_of_epochs():
    cfg = recipe(EPOCHS, dict(by_epoch=True, max_epochs=100))
    cfg.custom_hooks = [dict(type='ModeSwitch', num_last_epochs=15)]
    with pytest.raises(ValueError, match='ModeSwitch of custom_hooks counts epochs'):
        lengthen(cfg, iters=200)


def test_set_length__moves_what_counts_by_epoch_and_hooks_of_the_run():
    """WarmupUnderCosineLR may begin between two steps; the averaging of EMA is no time."""
    cfg = recipe(
        [dict(type='WarmupUnderCosineLR', warmup=5, end=100)],
        dict(by_epoch=True, max_epochs=100, val_interval=10, dynamic_intervals=[(90, 2)]),
        val_cfg=dict(),
    )
    cfg.custom_hooks = [
        dict(type='AnnealHook', start=1.0, end=0.0625, length=800),
        dict(type='ReconstructionHook', interval=40),
        dict(type='EMAHook', interval=40),
    ]
    lengthen(cfg, epochs=10)
    assert cfg.param_scheduler == [dict(type='WarmupUnderCosineLR', warmup=0.5, end=10)]
    assert cfg.train_cfg.val_interval == 1
    assert cfg.train_cfg.dynamic_intervals == [(9, 1)]
    assert [hook.get('length') or hook.interval for hook in cfg.custom_hooks] == [80, 4, 40]
    assert cfg.custom_hooks[0].end == 0.0625  # a value, no time


@pytest.mark.parametrize('iters, interval', [(12, 1), (400, 40), (900, 50), (4000, 50)])
def test_set_length__leaves_ten_lines_of_log(iters, interval):
    cfg = recipe(COSINE)
    cfg.default_hooks.logger = dict(type='LoggerHook', interval=50)
    lengthen(cfg, iters=iters)
    assert cfg.default_hooks.logger.interval == interval


@pytest.mark.parametrize('path', sorted(SCHEDULES.glob('*.py')), ids=lambda path: path.stem)
def test_set_length__keeps_the_shape_of_every_schedule(path, monkeypatch):
    """At the same share of the run the rate is the same, whether of 3000 steps or 300."""
    monkeypatch.setattr(
        'mae_transfer.run.schedule.count_epoch',
        lambda cfg: Epoch(images=32000, batch=8, steps=4000),
    )
    found = []
    for steps in (3000, 300):
        cfg = Config.fromfile(path)
        cfg.train_dataloader = dict()
        lengthen(cfg, iters=steps)
        assert cfg.train_cfg.max_iters == steps
        last = cfg.param_scheduler[-1]
        assert last.end == steps + (last.type == 'PolyLR')  # at its end in the step before
        found.append(rates(cfg))
        assert max(found[-1]) == pytest.approx(1.0, abs=0.06)
    for share in range(5, 100, 5):
        tenth = found[0][30 * share - 5 : 30 * share + 15]  # of a tenth of a step either side
        assert min(tenth) - 0.03 <= found[1][3 * share] <= max(tenth) + 0.03, share


@pytest.mark.parametrize(
    'given, lengths, words',
    [
        ((), dict(iters=5, epochs=1), '--iters and --epochs both set'),
        (('train_cfg.max_iters',), dict(minutes=2.0), 'train_cfg.max_iters both set'),
        ((), dict(iters=0), '--iters 0: must be an integer of at least 1'),
        ((), dict(epochs=1.5), '--epochs 1.5: must be an integer of at least 1'),
        ((), dict(minutes=0.0), '--minutes 0.0: must be above 0'),
    ],
)
def test_check_lengths__refuses(given, lengths, words):
    with pytest.raises(ValueError, match=words):
        check_lengths(given, **lengths)


def test_set_length__begins_the_cosine_where_a_given_warm_up_ends():
    cfg = recipe(COSINE)
    lengthen(cfg, {'param_scheduler.0.end': 6}, iters=12)
    assert (cfg.param_scheduler[1].begin, cfg.param_scheduler[1].end) == (6, 12)


def test_set_length__keeps_the_cosine_behind_a_given_warm_up_of_the_recipes_length():
    """Given or not, the cosine begins where the warm-up ends, at 100."""
    cfg = recipe(COSINE)
    lengthen(cfg, {'param_scheduler.0.end': 100}, iters=4000)
    assert (cfg.param_scheduler[0].end, cfg.param_scheduler[1].begin) == (100, 100)


@pytest.mark.parametrize('length', [0, -5, 2.5])
def test_set_length__refuses_a_length_that_is_none(length):
    with pytest.raises(ValueError, match=rf'train_cfg.max_iters={length}: must be a whole number'):
        lengthen(recipe(COSINE), {'train_cfg.max_iters': length})


def test_set_length__follows_a_given_warm_up_without_another_length():
    cfg = recipe(COSINE)
    told = lengthen(cfg, {'param_scheduler.0.end': 30})
    assert told == 'param_scheduler.1.begin 100 -> 30, where the given warm-up ends'
    assert (cfg.param_scheduler[1].begin, cfg.param_scheduler[1].end) == (30, 2000)


@pytest.mark.parametrize(
    ('loop', 'count'),
    [
        (dict(max_iters=10, val_interval=5), 2),
        (dict(max_iters=11, val_interval=5), 3),  # the last one is at the end
        (dict(max_iters=2500), 3),  # MMEngine validates every 1000 iterations
        (dict(max_epochs=7), 7),
    ],
)
def test_count_validations__by_hand(loop, count):
    assert count_validations(Config(dict(train_cfg=loop, val_cfg=dict()))) == count
    assert count_validations(Config(dict(train_cfg=loop))) == 0


def test_validate_once__at_the_end_alone():
    cfg = Config(
        dict(
            train_cfg=dict(max_iters=50, val_interval=5, dynamic_intervals=[(40, 1)]),
            val_cfg=dict(),
        )
    )
    validate_once(cfg)
    assert cfg.train_cfg == dict(max_iters=50, val_interval=50)
    assert count_validations(cfg) == 1
