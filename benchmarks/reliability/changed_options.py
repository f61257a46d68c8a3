"""Resumes runs with changed options: each is applied or refused, with its old and new value.

    python benchmarks/reliability/changed_options.py [WORD_OF_A_NAME ...]

Prints a table per kind and exits with 1 if anything was not good. An option counts as applied if
one line of the log has its old and new value, if the settings of every parameter group in every
later step are those of a run that had it from the start, if the moments of the optimizer are those
of the checkpoint, and if the run goes on from its own checkpoint without a word.
"""

import contextlib
import io
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import checkout  # noqa: F401  so that tests can be imported
import torch

from mae_transfer.compat.distributed import init_process_group
from mae_transfer.optim.schedule_ahead import FreshSchedule
from tests.optim.test_schedule_ahead import build
from tests.support.changed_runs import Seen, config, run
from tests.support.ranks import run_ranks

ITERATIONS = dict(type='AccumulatingIterTrainLoop', max_iters=12)
EPOCHS = dict(type='AccumulatingEpochTrainLoop', max_epochs=6)  # of 8 steps
LR, DECAY = 'optim_wrapper.optimizer.lr', 'optim_wrapper.optimizer.weight_decay'
COSINE = dict(type='CosineAnnealingLR', begin=4, by_epoch=False)
SHARDED = dict(
    runner_type='FlexibleRunner', strategy=dict(type='FullyShardStrategy'), env_cfg=dict()
)
STEP = 6  # iteration of the checkpoint of runs of iterations
EPOCH = 2  # epoch of the checkpoint of runs of epochs


@dataclass
class Trial:
    """One changed option.

    Attributes:
        name: What is tried.
        changes: Keys of the config and their new values.
        words: Patterns, one for each line that is expected, or for the error.
        before: Keys and values of the run that is resumed, besides those of all.
        arguments: Of ``train``, for the resumed run.
        loop: Its training loop before ``changes``.
        step: Iteration of the checkpoint; None is the end of an epoch.
        refused: Whether it is refused.
        new: Whether the moments are new: parts of names of parameters.
    """

    name: str
    changes: dict[str, Any]
    words: list[str]
    before: dict[str, Any] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)
    loop: dict[str, Any] = field(default_factory=lambda: dict(ITERATIONS))
    step: int | None = STEP
    refused: bool = False
    new: tuple[str, ...] = ()


def cosine_to(end: int) -> dict[str, Any]:
    """Length and schedule of a longer or shorter run."""
    return {
        'train_cfg.max_iters': end,
        'param_scheduler.1.end': end,
        'param_scheduler.1.T_max': end - 4,
    }


def schedules() -> Iterator[Trial]:
    """Rates and lengths."""
    rate = r'in iteration 7 the learning rate is 0\.\d+'
    yield Trial('a higher rate', {LR: 0.02}, [rf'learning rate .*0\.01 -> 0\.02; {rate}'])
    yield Trial(
        'a constant rate',
        {LR: 0.02},
        [r'learning rate .*0\.01 -> 0\.02$'],
        before={'param_scheduler': None},
    )
    longer = [r'length 12 -> 20 iterations', rf'schedule CosineAnnealingLR .*end 12 -> 20; {rate}']
    yield Trial('a longer run', cosine_to(20), longer)
    yield Trial(
        'a longer run by --iters',
        {},
        [
            'length 12 -> 24 iterations',
            rf'schedule LinearLR end 4 -> 8; .*{rate}',
            'checkpoint.interval 1 -> 2',
            'logger.interval 1000 -> 2',
        ],
        arguments=dict(iters=24),
    )
    yield Trial('a shorter run', cosine_to(9), [r'length 12 -> 9', 'schedule .*end 12 -> 9'])
    yield Trial(
        'a longer run at a higher rate', {**cosine_to(20), LR: 0.02}, [*longer, r'0\.01 -> 0\.02']
    )
    for name, schedule in (
        (
            'a line to any rate, then a cosine',
            [dict(type='LinearWarmupLR', end=5.5, by_epoch=False), dict(COSINE, begin=6, end=12)],
        ),
        (
            'a warm-up under a cosine',
            [dict(type='WarmupUnderCosineLR', warmup=2.5, end=12, by_epoch=False)],
        ),
        ('a polynomial', [dict(type='PolyLR', power=0.9, eta_min=1e-5, end=13, by_epoch=False)]),
        ('milestones', [dict(type='MultiStepLR', milestones=[3, 5, 8], by_epoch=False)]),
        (
            'rates and momentum',
            [dict(COSINE, begin=0), dict(type='LinearMomentum', end=9, by_epoch=False)],
        ),
    ):
        kinds = ', '.join(f'{one["type"]} .*' for one in schedule)
        yield Trial(
            f'another schedule: {name}',
            {'param_scheduler': schedule},
            [f'schedule LinearLR 0 to 4, CosineAnnealingLR 4 to 12 -> {kinds}'],
        )
    yield Trial(
        'no schedule any more', {'param_scheduler': None}, [r'schedule LinearLR .* -> none']
    )
    yield Trial(
        'a schedule after none',
        {'param_scheduler': [dict(COSINE, begin=0)]},
        [r'schedule none -> CosineAnnealingLR'],
        before={'param_scheduler': None},
    )
    more = {'train_cfg.max_epochs': 9, 'param_scheduler.1.end': 9, 'param_scheduler.1.T_max': 8}
    yield Trial(
        'more epochs, converted to iterations',
        more,
        ['length 6 -> 9 epochs', 'schedule .*end 48 -> 72'],
        loop=EPOCHS,
        step=None,
    )
    yield Trial(
        'more epochs, within one', more, ['length 6 -> 9 epochs', 'schedule '], loop=EPOCHS, step=11
    )
    by_epoch = [dict(type='MultiStepLR', milestones=[1, 3]), dict(type='CosineAnnealingLR', end=9)]
    yield Trial(
        'epochs and milestones',
        {'param_scheduler': by_epoch},
        ['schedule '],
        loop=EPOCHS,
        step=None,
    )
    yield Trial(
        'epochs that become iterations',
        {},
        [
            'length 6 epochs -> 60 iterations',
            'schedule ',
            'DefaultSampler. -> .InfiniteSampler',
            'by_epoch True -> False',
            'log_processor.by_epoch not set -> False',
            'checkpoint.interval 1 -> 10',
            'logger.interval 1000 -> 6',
        ],
        arguments=dict(iters=60),
        loop=EPOCHS,
        step=None,
    )
    yield Trial(
        'iterations that become epochs',
        {'train_cfg': dict(EPOCHS, _delete_=True)},
        ['belongs to a run of 12 iterations, and this one has 6 epochs'],
        refused=True,
    )
    plateau = [dict(type='ReduceOnPlateauLR', monitor='loss')]
    yield Trial(
        'a rate that follows from validations',
        {LR: 0.02},
        ['ReduceOnPlateauLR'],
        before={'param_scheduler': plateau},
        loop=EPOCHS,
        step=None,
        refused=True,
    )


def optimizers() -> Iterator[Trial]:
    """Settings of the optimizer and of a step."""
    optimizer, wrapper = 'optim_wrapper.optimizer', 'optim_wrapper'
    yield Trial('weight decay', {DECAY: 0.3}, [r'weight decay .*0\.05 -> 0\.3$'])
    yield Trial(
        'betas',
        {f'{optimizer}.betas': (0.8, 0.95)},
        [r'betas .*\[0\.9, 0\.999\] -> \[0\.8, 0\.95\]'],
    )
    yield Trial('eps', {f'{optimizer}.eps': 1e-6}, [r'eps 1e-08 -> 1e-06'])
    yield Trial(
        'layer decay',
        {f'{wrapper}.paramwise_cfg.layer_decay_rate': 0.7},
        [r'layer decay .*0\.5 -> 0\.7'],
    )
    yield Trial(
        'no layer decay, so fewer groups',
        {f'{wrapper}.paramwise_cfg.layer_decay_rate': 1},
        [r'layer decay .*0\.5 -> 1'],
    )
    yield Trial(
        'other parameters without decay',
        {f'{wrapper}.paramwise_cfg.no_decay': ()},
        [r"no_decay \['1d'\] -> \[\]"],
    )
    yield Trial(
        'clipping', {f'{wrapper}.clip_grad.max_norm': 1.0}, [r'gradient clipping .*0\.3 -> 1\.0']
    )
    yield Trial(
        'no clipping',
        {f'{wrapper}.clip_grad': None},
        [r'gradient clipping .*0\.3 -> not set'],
    )
    yield Trial('precision', {}, ['precision float32 -> bfloat16'], arguments=dict(amp=True))
    yield Trial(
        'precision back',
        {f'{wrapper}.type': 'OptimWrapper'},
        ['precision bfloat16 -> float32'],
        before={f'{wrapper}.type': 'AutocastOptimWrapper'},
    )
    yield Trial(
        'another optimizer', {f'{optimizer}.type': 'SGD'}, ["'AdamW' -> 'SGD'"], refused=True
    )
    yield Trial(
        'a setting with a state of its own',
        {f'{optimizer}.amsgrad': True},
        ['amsgrad False -> True'],
        refused=True,
    )
    yield Trial('sharded, at a higher rate', {LR: 0.02}, [r'0\.01 -> 0\.02'], before=SHARDED)
    yield Trial(
        'sharded, from then on',
        SHARDED,
        ['runner_type not set -> ', 'strategy not set -> FullyShardStrategy'],
    )


def data() -> Iterator[Trial]:
    """Data, batches and order."""
    loader, other = 'train_dataloader', r'other batches from iteration 7 on'
    yield Trial(
        'images of a pass',
        {f'{loader}.batch_size': 4},
        [rf'batch 4 = 1 process x 2 .* -> 8 = 1 process x 4 .*{other}'],
    )
    yield Trial(
        'accumulation',
        {'optim_wrapper.accumulative_counts': 1},
        [rf'batch 4 = .* x 2 accumulated -> 2 = .* x 1 accumulated.*{other}'],
    )
    yield Trial(
        'images of a pass, at the end of an epoch',
        {f'{loader}.batch_size': 4},
        [
            'batch 4 = .* -> 8 = ',
            'steps of an epoch 8 -> 4; .* iteration 8',
            'schedule .*end 48 -> 24',
        ],
        loop=EPOCHS,
        step=None,
    )
    yield Trial(
        'images of a pass, within an epoch',
        {f'{loader}.batch_size': 4},
        ['an epoch has 8 -> 4 steps, .* is within one .epoch 2, iteration 11'],
        loop=EPOCHS,
        step=11,
        refused=True,
    )
    yield Trial(
        'more pictures',
        {f'{loader}.dataset.length': 40},
        [r'training data 32 -> 40 samples', r'length 32 -> 40'],
    )
    yield Trial(
        'other pictures',
        {f'{loader}.dataset.prefix': 'q'},
        [r"the picture 'p0.png' -> 'q0.png'", r"prefix not set -> 'q'"],
    )
    yield Trial(
        'the same pictures at another place',
        {f'{loader}.dataset.data_root': 'tests'},
        [r"data_root 'configs' -> 'tests'"],
        before={f'{loader}.dataset.data_root': 'configs'},
    )
    yield Trial(
        'other classes',
        {f'{loader}.dataset.classes': ('a', 'c')},
        ["class 1 is 'b' -> 'c'"],
        before={'model.num_classes': 2},
        refused=True,
    )
    yield Trial(
        'other classes of a model without any',
        {f'{loader}.dataset.classes': ('a', 'c')},
        [r"^classes \['a', 'b'\] -> \['a', 'c'\]", 'dataset.classes'],
    )
    yield Trial('seed', {'randomness.seed': 4}, ['seed 3 -> 4; the data come in another order'])
    yield Trial('no seed', {'randomness.seed': None}, ['seed 3 -> not set; it stays 3'])


def models_and_rest() -> Iterator[Trial]:
    """Options of the model, and whatever else a config has."""
    yield Trial(
        'an option without a shape', {'model.dropout': 0.1}, ['model.dropout not set -> 0.1']
    )
    yield Trial(
        'another width', {'model.width': 6}, ['model.width not set -> 6 does not fit'], refused=True
    )
    yield Trial(
        'a part that is frozen',
        {'model.frozen': True},
        ['model.frozen not set -> True', 'no longer: 2 parameters'],
    )
    yield Trial(
        'a part that is trained again',
        {'model.frozen': False},
        ['model.frozen True -> False', 'from now on, with moments .*: 2 parameters'],
        before={'model.frozen': True},
        new=('backbone.blocks.0',),
    )
    yield Trial('workers', {'train_dataloader.num_workers': 1}, ['num_workers 0 -> 1'])
    yield Trial(
        'interval of checkpoints',
        {'default_hooks.checkpoint.interval': 2},
        ['checkpoint.interval 1 -> 2'],
    )
    yield Trial(
        'interval of the log', {'default_hooks.logger.interval': 5}, ['logger.interval 1000 -> 5']
    )
    yield Trial('nothing', {}, [])
    yield Trial('nothing, by epochs', {}, [], loop=EPOCHS, step=None)


def try_one(trial: Trial, folder: Path) -> str:
    """Return what is wrong with a trial; nothing if it is good."""
    saves = {'interval': 1, 'by_epoch': trial.step is None}
    base = {f'default_hooks.checkpoint.{key}': value for key, value in saves.items()}
    base |= trial.before
    run(config(folder / 'a', trial.loop, base))
    name = f'iter_{trial.step}.pth' if trial.step else f'epoch_{EPOCH}.pth'
    checkpoint = folder / 'a' / name
    changes = {**base, **trial.changes}
    cfg = config(folder / 'b', trial.loop, changes)
    try:
        seen = run(cfg, resume=checkpoint, **trial.arguments)
    except ValueError as error:
        if not trial.refused:
            return f'refused: {error}'
        message = str(error)
        good = re.search(trial.words[0], message) and '\n' not in message
        return '' if good else f'refused in other words: {message}'
    if trial.refused:
        return f'not refused; told {seen.told}'
    return '; '.join(judge(trial, seen, cfg, folder, checkpoint))


def judge(trial: Trial, seen: Seen, cfg, folder: Path, checkpoint: Path) -> Iterator[str]:
    """Yield what is wrong with a run that was resumed."""
    missing = [words for words in trial.words if not any(re.search(words, t) for t in seen.told)]
    if missing or len(seen.told) != len(trial.words):
        yield f'expected {missing or trial.words}, told {seen.told}'
    saved = torch.load(checkpoint, weights_only=False)
    kept = {name: m for name, m in seen.moments.items() if not name.startswith(trial.new or ('-',))}
    old_names = [name for group in saved['meta']['run_facts']['groups'] for name in group['names']]
    for name, moment in kept.items():
        if not torch.equal(moment, saved['optimizer']['state'][old_names.index(name)]['exp_avg']):
            yield f'other moments of {name}'
    if trial.new and len(kept) != len(seen.moments):
        yield 'moments of parameters that were not trained'
    if not seen.steps:
        yield 'no step'
    fresh = run(cfg, work_dir=folder / 'fresh', **trial.arguments)
    for i in sorted(seen.steps.keys() & fresh.steps.keys()):
        if seen.steps[i] != fresh.steps[i]:
            yield f'iteration {i + 1}: {seen.steps[i]}, from the start {fresh.steps[i]}'
            break
    if fresh.wrapper != seen.wrapper:
        yield f'{seen.wrapper} instead of {fresh.wrapper}'
    if Path(cfg.work_dir, 'last_checkpoint').is_file():
        again = run(cfg, resume='latest', **trial.arguments)
        if again.told:
            yield f'resumed once more with the same options, it told {again.told}'


def on_two_processes(folder: str, sharded: bool) -> None:
    """Resume on two processes what one has trained, at a higher rate and without layer decay."""
    changes = {LR: 0.02, 'optim_wrapper.paramwise_cfg.layer_decay_rate': 1}
    before = {'default_hooks.checkpoint.interval': 1}
    cfg = config(Path(folder, 'two'), ITERATIONS, {**before, **changes})
    if sharded:
        cfg.merge_from_dict(SHARDED)
        cfg.strategy.units = ['Linear']
    init_process_group('pytorch')  # once for both runs
    resumed = run(cfg, resume=Path(folder, 'a', f'iter_{STEP}.pth'), launcher='pytorch')
    fresh = run(cfg, work_dir=Path(folder, 'fresh'), launcher='pytorch')
    assert resumed.steps and all(s == fresh.steps[i] for i, s in resumed.steps.items())
    text = '; '.join(resumed.told)
    assert re.search(r'batch 4 = 1 process x .* -> 8 = 2 processes x ', text), text
    assert 'learning rate (optim_wrapper.optimizer.lr) 0.01 -> 0.02' in text, text


def try_processes(sharded: bool, folder: Path) -> str:
    """Return what is wrong with a run that goes on with two processes."""
    run(config(folder / 'a', ITERATIONS, {'default_hooks.checkpoint.interval': 1}))
    try:
        run_ranks(on_two_processes, str(folder), sharded, folder=folder, timeout_s=120)
    except AssertionError as error:
        return str(error)[-2000:]
    return ''


def try_speed() -> tuple[str, str]:
    """Move a schedule ahead by half a million steps."""
    warm_up = dict(type='LinearWarmupLR', end=2500.5, by_epoch=False)
    schedule = [warm_up, dict(COSINE, begin=2501, end=600_000)]
    wrapper, schedulers = build(schedule, groups=60)
    start = time.process_time()
    FreshSchedule.of(wrapper, schedulers).at(500_000, 0, 1000)
    seconds = time.process_time() - start
    return f'500000 steps of 60 groups ahead in {seconds:.1f} s', '' if seconds < 20 else 'slow'


def main() -> None:
    """Try everything."""
    failures = 0
    for kind in (schedules, optimizers, data, models_and_rest):
        print(f'\n### {kind.__doc__}\n\n| tried | good |\n| --- | --- |')
        for trial in kind():
            if not is_asked(trial.name):
                continue
            with tempfile.TemporaryDirectory() as folder:
                with contextlib.redirect_stdout(io.StringIO()):
                    wrong = try_one(trial, Path(folder))
                failures += show(trial.name, wrong)
    print('\n### Processes and time\n\n| tried | good |\n| --- | --- |')
    for sharded in (False, True):
        name = f'two processes after one{", sharded" if sharded else ""}'
        if not is_asked(name):
            continue
        with tempfile.TemporaryDirectory() as folder:
            with contextlib.redirect_stdout(io.StringIO()):
                wrong = try_processes(sharded, Path(folder))
            failures += show(name, wrong)
    if is_asked('speed'):
        failures += show(*try_speed())
    sys.exit(failures > 0)


def is_asked(name: str) -> bool:
    """Return whether a name has one of the words on the command line, if there are any."""
    return any(word in name for word in sys.argv[1:] or [''])


def show(name: str, wrong: str) -> int:
    """Print a row; return 1 if it is not good."""
    print(f'| {name} | {"no: " + wrong if wrong else "yes"} |', flush=True)
    return int(bool(wrong))


if __name__ == '__main__':
    main()
