"""Scales the schedule of a config to another length by the rule of the recipe.

A recipe's schedule belongs to its length: a warm-up of 250 and milestones at 1600 and 1900 of 2000
iterations. For another length every such number is scaled by the same ratio and rounded to a whole
step. The end of our own warm-ups is not rounded, unless another scheduler begins there. A warm-up
that would leave no step at the full rate is removed.
The log keeps its interval, unless the run is so short that it would have fewer than ten lines.
"""

from collections.abc import Collection, Iterable, MutableMapping
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from math import ceil
from typing import Any

from mmengine.config import Config

from mae_transfer.run.epoch import Epoch, count_epoch

UNITS = {'max_iters': 'iterations', 'max_epochs': 'epochs'}
# Arguments of schedulers (MMEngine's and ours) that are times, in the unit of the scheduler.
DURATIONS = ('T_max', 'total_iters', 'total_steps', 'step_size', 'warmup')
TIMES = ('begin', 'end', *DURATIONS)
TIME_LISTS = ('milestones', 'periods')
FOREVER = 10**9  # MMEngine's default for the end of a scheduler
VAL_INTERVAL = {'max_iters': 1000, 'max_epochs': 1}  # MMEngine's defaults
# Arguments of hooks that are times in the run.
HOOK_TIMES = (
    *('length', 'begin_iter', 'end_iter', 'begin_epoch', 'end_epoch'),
    *('switch_epoch', 'stop_epoch', 'num_last_epochs'),
)
# Hooks whose `interval` scales with the run; that of others, such as EMA's, belongs to the method.
INTERVAL_HOOKS = ('ReconstructionHook', 'TokenizerReconstructionHook')
LOOPS_OF_ITERATIONS = {
    'EpochBasedTrainLoop': 'IterBasedTrainLoop',
    'AccumulatingEpochTrainLoop': 'AccumulatingIterTrainLoop',
}


class Schedule:
    """The numbers of a config that are times in its run.

    Args:
        cfg: The config, changed in place.
        length: Its length, in the unit of its training loop.
        given: Keys whose values are not changed.
    """

    def __init__(self, cfg: Config, length: int, given: Collection[str]) -> None:
        self.cfg = cfg
        self.length = length
        self.ratio = Fraction(1)
        self.given = given
        self.told: list[str] = []

    @cached_property
    def epoch(self) -> Epoch:
        """Length of an epoch."""
        return count_epoch(self.cfg)

    @property
    def unit(self) -> str:
        """'max_iters' or 'max_epochs'."""
        return 'max_iters' if 'max_iters' in self.cfg.train_cfg else 'max_epochs'

    def schedulers(self) -> list[tuple[str, MutableMapping]]:
        """List every scheduler with its key in the config."""
        found, pending = [], [('param_scheduler', self.cfg.get('param_scheduler'))]
        while pending:
            key, node = pending.pop(0)
            if isinstance(node, MutableMapping) and 'type' in node:
                found.append((key, node))
            elif isinstance(node, MutableMapping):
                pending += [(f'{key}.{name}', child) for name, child in node.items()]
            elif isinstance(node, list | tuple):
                pending += [(f'{key}.{i}', child) for i, child in enumerate(node)]
        return found

    # ---- the same schedule in iterations ------------------------------------------------------

    def count_iterations(self) -> None:
        """Turn a config that counts epochs into an equivalent one that counts iterations.

        Raises:
            ValueError: A loop or a hook counts epochs in an unknown way.
        """
        steps, train_cfg = self.epoch.steps, self.cfg.train_cfg
        if train_cfg.pop('by_epoch', None):
            train_cfg.type = 'EpochBasedTrainLoop'
        if train_cfg.get('type') not in LOOPS_OF_ITERATIONS:
            raise ValueError(
                f'--iters: train_cfg.type={train_cfg.get("type")!r} counts epochs, and only '
                f'{" and ".join(LOOPS_OF_ITERATIONS)} can count iterations instead; give --epochs'
            )
        train_cfg.type = LOOPS_OF_ITERATIONS[train_cfg.type]
        train_cfg.max_iters = train_cfg.pop('max_epochs') * steps
        if self.cfg.get('val_cfg') is not None:
            train_cfg.val_interval = train_cfg.get('val_interval', 1) * steps
        if 'val_begin' in train_cfg:
            train_cfg.val_begin *= steps
        if train_cfg.get('dynamic_intervals'):
            train_cfg.dynamic_intervals = [
                (first * steps, every * steps) for first, every in train_cfg.dynamic_intervals
            ]
        for _, scheduler in self.schedulers():
            if scheduler.get('by_epoch', True):
                _schedule_by_iteration(scheduler, steps)
        self._hooks_by_iteration(steps)
        self.cfg.log_processor = dict(self.cfg.get('log_processor') or {}, by_epoch=False)
        sampler = self.cfg.train_dataloader.get('sampler') or {}
        if sampler.get('type') == 'DefaultSampler':  # MMEngine pauses to restart it
            shuffle = sampler.get('shuffle', True)
            self.cfg.train_dataloader.sampler = dict(type='InfiniteSampler', shuffle=shuffle)
        self.length *= steps

    def _hooks_by_iteration(self, steps: int) -> None:
        hooks = self.cfg.get('default_hooks') or {}
        checkpoint = hooks.get('checkpoint', dict(type='CheckpointHook', interval=1))
        if checkpoint and checkpoint.get('by_epoch', True):
            checkpoint = {**checkpoint, 'by_epoch': False}
            for name in {'interval', 'save_begin'} & checkpoint.keys():
                checkpoint[name] *= steps
            self.cfg.default_hooks = {**hooks, 'checkpoint': checkpoint}
        for hook in self.cfg.get('custom_hooks') or ():
            if 'begin_epoch' in hook:
                hook['begin_iter'] = hook.pop('begin_epoch') * steps
            times = [key for key in hook if key.endswith(('epoch', 'epochs')) and hook[key]]
            epochs = [key for key in times if key != 'by_epoch']
            if epochs:
                raise ValueError(
                    f'--iters: {hook["type"]} of custom_hooks counts epochs '
                    f'({", ".join(epochs)}); give --epochs'
                )

    # ---- another length -----------------------------------------------------------------------

    def move_to(self, length: int) -> str:
        """Set another length, scale all times by the ratio, and report what moved."""
        former, unit = self.length, self.unit
        self.ratio = Fraction(length, former)
        self.cfg.train_cfg[unit] = self.length = length
        self._move_schedulers()
        self._move_validation()
        self._move_hooks()
        moved = ', '.join(self.told) or 'nothing else depends on it'
        return f'length {former} -> {length} {UNITS[unit]}: {moved}'

    def _is_given(self, key: str) -> bool:
        """Return whether `--cfg-options` set a key, a block that contains it, or a part of it."""
        return any(f'{key}.'.startswith(f'{g}.') or g.startswith(f'{key}.') for g in self.given)

    def _moved(self, time: float) -> float:
        """Scale a time to the new length; only a time of 0 becomes 0."""
        if time <= 0 or time >= FOREVER:
            return time
        return max(1, round(time * self.ratio))

    def _moved_exactly(self, time: float) -> float:
        """Scale a time that may fall between two steps."""
        new = float(time * self.ratio)
        return int(new) if new.is_integer() else new

    def _moved_bound(self, scheduler: MutableMapping, name: str) -> float:
        """Scale the begin or end of a scheduler; PolyLR's end, one step after the run, stays so."""
        time = scheduler[name]
        if self._is_in_unit_of_run(scheduler) and time == self.length / self.ratio + 1:
            return self.length + 1
        return self._moved(time)

    def _is_in_unit_of_run(self, scheduler: MutableMapping) -> bool:
        """Return whether a scheduler counts what the run counts, epochs or iterations."""
        return scheduler.get('by_epoch', True) == (self.unit == 'max_epochs')

    def _move(self, node: MutableMapping, key: str, name: str, label: str = '') -> None:
        """Move one time of a block, if present, and report it under its label."""
        old = node.get(name)
        if not isinstance(old, int | float) or isinstance(old, bool):
            return
        if self._is_given(f'{key}.{name}'):
            self.told.append(f'{key}.{name} stays {old}, as given')
        else:
            node[name] = self._moved(old)
            self._tell(label, old, node[name])

    def _tell(self, label: str, old: object, new: object) -> None:
        if label and old != new:
            self.told.append(f'{label} {old} -> {new}')

    def _move_schedulers(self) -> None:
        for _, scheduler in self.schedulers():
            self._need_iterations(scheduler)
        meetings = self._move_warm_ups()
        for key, scheduler in self.schedulers():
            self._move_scheduler(key, scheduler, meetings)
        for key, scheduler in reversed(self.schedulers()):
            given = any(self._is_given(f'{key}.{name}') for name in ('begin', 'end'))
            if _span(scheduler) <= 0 and not given:
                _drop(self.cfg, key)

    def _need_iterations(self, scheduler: MutableMapping) -> None:
        """Make a scheduler in epochs count iterations if its times would not be whole epochs."""
        if not (scheduler.get('by_epoch', True) and scheduler.get('convert_to_iter_based')):
            return
        times = [scheduler[name] for name in TIMES if scheduler.get(name)]
        times += [time for name in TIME_LISTS for time in scheduler.get(name) or ()]
        if any((time * self.ratio) % 1 for time in times if time < FOREVER):
            _schedule_by_iteration(scheduler, self.epoch.steps)

    def follow_given_warm_ups(self) -> list[str]:
        """Let the scheduler after a warm-up begin where `--cfg-options` ended the warm-up."""
        told = []
        for (key, warm_up), (next_key, following) in pairwise(self.schedulers()):
            if not (_is_warm_up(warm_up) and self._is_given(f'{key}.end')):
                continue
            begin, end = following.get('begin', 0), warm_up['end']
            if begin and not self._is_given(f'{next_key}.begin'):
                following['begin'] = end
                self.given = {*self.given, f'{next_key}.begin'}
                if begin != end:
                    told.append(f'{next_key}.begin {begin} -> {end}, where the given warm-up ends')
        return told

    def _move_warm_ups(self) -> dict[tuple[bool, float], float]:
        """Move the end of each linear warm-up, which is the start of the next scheduler.

        Returns:
            (whether in epochs, old end) -> new end; 0 if there is no room for a warm-up.
        """
        meetings: dict[tuple[bool, float], float] = {}
        begins = [(s.get('by_epoch', True), s.get('begin', 0)) for _, s in self.schedulers()]
        for key, scheduler in self.schedulers():
            if not _is_warm_up(scheduler) or self._is_given(f'{key}.end'):
                continue
            by_epoch, end = scheduler.get('by_epoch', True), scheduler['end']
            in_unit_of_run = self._is_in_unit_of_run(scheduler)
            if in_unit_of_run and end >= self.length / self.ratio:
                continue  # the warm-up is the complete schedule
            new = self._moved(end)
            if scheduler['type'] == 'LinearWarmupLR':
                if (by_epoch, end) not in begins:
                    new = self._moved_exactly(end)
            elif not scheduler.get('convert_to_iter_based'):
                new = max(2, new)  # MMEngine's LinearLR has the full rate in its last step
            if in_unit_of_run and ceil(new) >= self.length:
                new = 0
            meetings[by_epoch, end] = new
            unit = '' if in_unit_of_run else f' in {"epochs" if by_epoch else "iterations"}'
            self._tell(f'warm-up{unit}', f'{end:g}', f'{new:g}')
        return meetings

    def _move_scheduler(
        self,
        key: str,
        scheduler: MutableMapping,
        meetings: dict[tuple[bool, float], float],
    ) -> None:
        by_epoch, kind = scheduler.get('by_epoch', True), str(scheduler['type'])
        span = _span(scheduler)

        for name in ('begin', 'end'):
            if name not in scheduler:
                continue
            if self._is_given(f'{key}.{name}'):
                self.told.append(f'{key}.{name} stays {scheduler[name]}, as given')
            else:
                moved = self._moved_bound(scheduler, name)
                scheduler[name] = meetings.get((by_epoch, scheduler[name]), moved)
        for name in TIME_LISTS:
            old = list(scheduler.get(name) or ())
            if old and self._is_given(f'{key}.{name}'):
                self.told.append(f'{key}.{name} stays {_words(old)}, as given')
            elif old:
                scheduler[name] = [self._moved(time) for time in old]
                self._tell(name, _words(old), _words(scheduler[name]))
        for name in DURATIONS:
            time = scheduler.get(name)
            given = self._is_given(f'{key}.{name}')
            if time is not None and time == span and not given:
                scheduler[name] = _span(scheduler)
            elif name == 'warmup' and time and not given:
                scheduler[name] = self._moved_exactly(time)
                self._tell('warm-up', f'{time:g}', f'{scheduler[name]:g}')
            else:
                self._move(scheduler, key, name, name)
        if kind.startswith('Exponential') and not self._is_given(f'{key}.gamma'):
            scheduler['gamma'] = scheduler['gamma'] ** float(1 / self.ratio)

    def _move_validation(self) -> None:
        train_cfg = self.cfg.train_cfg
        if self.cfg.get('val_cfg') is None:
            return
        if self.unit == 'max_iters':
            train_cfg.setdefault('val_interval', VAL_INTERVAL[self.unit])
        self._move(train_cfg, 'train_cfg', 'val_interval', 'validation every')
        if train_cfg.get('val_begin', 1) > 1:
            self._move(train_cfg, 'train_cfg', 'val_begin', 'validation from')
        old = train_cfg.get('dynamic_intervals')
        if old and not self._is_given('train_cfg.dynamic_intervals'):
            new = [(self._moved(first), self._moved(every)) for first, every in old]
            train_cfg.dynamic_intervals = new
            self._tell('dynamic_intervals', _words(old), _words(new))

    def _move_hooks(self) -> None:
        hooks = self.cfg.get('default_hooks') or {}
        for name in ('interval', 'save_begin'):
            label = 'checkpoint every' if name == 'interval' else 'checkpoint from'
            self._move(hooks.get('checkpoint') or {}, 'default_hooks.checkpoint', name, label)
        self._shorten_log(hooks.get('logger') or {})
        for i, hook in enumerate(self.cfg.get('custom_hooks') or ()):
            names = HOOK_TIMES + (('interval',) if hook['type'] in INTERVAL_HOOKS else ())
            for name in names:
                self._move(hook, f'custom_hooks.{i}', name, f'{hook["type"]}.{name}')

    def _shorten_log(self, logger: MutableMapping) -> None:
        every = logger.get('interval', 10)  # MMEngine's
        shown = max(1, self.length // 10)
        if self.unit != 'max_iters' or shown >= every or not logger:
            return  # every epoch is logged at its end, however short
        if not self._is_given('default_hooks.logger.interval'):
            logger['interval'] = shown
            self._tell('log every', every, shown)


def _words(values: Iterable[object]) -> str:
    return ' '.join(map(str, values))


def _span(scheduler: MutableMapping) -> float:
    """Return the length of a scheduler."""
    return scheduler.get('end', FOREVER) - scheduler.get('begin', 0)


def _is_warm_up(scheduler: MutableMapping) -> bool:
    """Return whether a scheduler raises its value linearly from the start of the run."""
    return (
        str(scheduler['type']).startswith('Linear')
        and not scheduler.get('begin', 0)
        and scheduler.get('end', FOREVER) < FOREVER
        and scheduler.get('start_factor', 1 / 3) < scheduler.get('end_factor', 1.0)
    )


def _schedule_by_iteration(scheduler: MutableMapping, steps: int) -> None:
    """Make a scheduler that counts epochs count iterations, ``steps`` per epoch."""
    for name in TIMES:
        if scheduler.get(name):
            scheduler[name] = round(scheduler[name] * steps)
    for name in TIME_LISTS:
        if scheduler.get(name):
            scheduler[name] = [round(time * steps) for time in scheduler[name]]
    # MMEngine's conversion keeps gamma, which would then apply per iteration.
    converted = scheduler.pop('convert_to_iter_based', False)
    if str(scheduler['type']).startswith('Exponential') and not converted:
        scheduler['gamma'] = scheduler['gamma'] ** (1 / steps)
    scheduler['by_epoch'] = False


def _drop(cfg: Config, key: str) -> None:
    """Remove the scheduler with a key from a config."""
    *parents, last = key.split('.')
    node: Any = cfg
    for name in parents:
        node = node[int(name)] if isinstance(node, list) else node[name]
    if isinstance(node, list):
        del node[int(last)]
    else:
        node[last] = None
