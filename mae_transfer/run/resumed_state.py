"""Puts the options of a resuming run into the state that its checkpoint holds.

MMEngine restores optimizer and schedulers as they were, with the former rates, decays and curves.
So the checkpoint is changed before MMEngine reads it: moments and everything that did not change
stay, bit for bit, and what the options of the run changed is as if the run had started with them.
"""

import copy
from typing import Any

import torch

from mae_transfer.optim.schedule_ahead import FreshSchedule, depends_on_metrics
from mae_transfer.run.plain_data import Plain, in_words
from mae_transfer.run.run_facts import parameter_names, scheduled_settings

# Settings of PyTorch's optimizers that need a state which an optimizer without them does not keep.
NEED_STATE = ('amsgrad', 'centered')


def change_position(meta: dict, old: Plain, new: Plain, file: str) -> bool:
    """Let a checkpoint count what the run counts, in steps of its epochs.

    Args:
        meta: ``iter`` and ``epoch`` of the checkpoint, changed in place.
        old: Facts of the checkpoint.
        new: Facts of the run.
        file: Name of the checkpoint, for the message.

    Returns:
        Whether its iteration got another number.

    Raises:
        ValueError: The run counts epochs of another length, and the checkpoint is within one.
    """
    steps, new_steps = old['steps_per_epoch'], new['steps_per_epoch']
    if new['counts'] == 'iterations':
        meta['epoch'] = 0 if old['counts'] == 'epochs' else meta['epoch']
        return False
    if old['counts'] == 'iterations':
        raise ValueError(
            f'--resume: {file} belongs to a run of {old["length"]} iterations, and this one has '
            f'{new["length"]} epochs: give the length with --iters'
        )
    if steps == new_steps:
        return False
    if meta['iter'] != meta['epoch'] * steps:
        raise ValueError(
            f'--resume: an epoch has {steps} -> {new_steps} steps, and {file} is within one (epoch '
            f'{meta["epoch"] + 1}, iteration {meta["iter"]}): resume it with the batch size, the '
            'number of processes and the data that it was trained with, or resume a checkpoint '
            'from the end of an epoch'
        )
    meta['iter'] = meta['epoch'] * new_steps
    return True


def change_state(
    checkpoint: dict, old: Plain, new: Plain, fresh: FreshSchedule, renumbered: bool
) -> list[str]:
    """Put settings of the optimizer and the schedule of a run into a checkpoint.

    Args:
        checkpoint: What MMEngine is about to load, changed in place.
        old: Facts of the checkpoint.
        new: Facts of the run.
        fresh: Parameter groups and schedulers of the run before its first step.
        renumbered: Whether the iteration of the checkpoint got another number.

    Returns:
        What there is to tell about parameters whose state is new or not used.

    Raises:
        ValueError: The checkpoint lacks the state that a new setting needs.
    """
    _check_settings(old, new)
    whole = 'optimizer' in checkpoint
    regrouped = not whole or _names_by_group(old) != _names_by_group(new)
    scheduled = scheduled_settings(old) | scheduled_settings(new)
    rescheduled = (
        regrouped
        or renumbered
        or old['schedulers'] != new['schedulers']
        or bool(new['schedulers']) != bool(checkpoint.get('param_schedulers'))
        or _select(old, scheduled) != _select(new, scheduled)
    )
    settings = fresh.groups
    if rescheduled:
        if depends_on_metrics(fresh.schedulers) and checkpoint.get('param_schedulers'):
            raise ValueError(
                '--resume: the learning rate of this run follows from the validations made so far '
                f'({in_words([s["type"] for s in new["schedulers"]])}): resume it with the '
                'learning rate, schedule and parameter groups that it was started with'
            )
        meta = checkpoint['meta']
        epochs = meta['epoch'] if new['counts'] == 'epochs' else 0
        settings, states = fresh.at(meta['iter'], epochs, new['steps_per_epoch'])
        if states:
            checkpoint['param_schedulers'] = states
    if regrouped:
        checkpoint['optimizer'] = _regrouped(checkpoint.get('optimizer'), old, new, settings)
        return _tell_parameters(old, new) if whole else [_NO_STATE]
    base = checkpoint['optimizer'].get('base_param_settings')
    groups = checkpoint['optimizer']['param_groups'] + ([base] if base is not None else [])
    for group, own, was, now in zip(groups, settings, old['groups'], new['groups'], strict=True):
        for name, value in own.items():
            changed = was['settings'].get(name) != now['settings'].get(name)
            if changed or (rescheduled and name in scheduled):
                group[name] = copy.deepcopy(value)
        for name in was['settings'].keys() - own.keys():  # of a former scheduler
            group.pop(name, None)
    return []


_NO_STATE = 'the checkpoint has no state of the optimizer, whose moments start at zero'


def _check_settings(old: Plain, new: Plain) -> None:
    was, now = old['groups'][0]['settings'], new['groups'][0]['settings']
    for name in NEED_STATE:
        if now.get(name) and not was.get(name):
            raise ValueError(
                f'--resume: optim_wrapper.optimizer.{name} {was.get(name)} -> {now[name]} needs a '
                f'state that the checkpoint does not have: keep {name}={was.get(name)}, or start '
                'from the weights alone with --cfg-options load_from=FILE instead of --resume'
            )


def _names_by_group(facts: Plain) -> list[list[str]]:
    return [group['names'] for group in facts['groups']]


def _select(facts: Plain, scheduled: set[str]) -> list[dict]:
    """Return what schedulers start from in each group."""
    names = scheduled | {f'initial_{name}' for name in scheduled}
    return [
        {name: group['settings'].get(name) for name in sorted(names)} for group in facts['groups']
    ]


def _regrouped(
    optimizer: dict | None, old: Plain, new: Plain, settings: list[dict[str, Any]]
) -> dict:
    """Sort the state of an optimizer into other parameter groups, by the names of parameters."""
    optimizer = optimizer or {'state': {}, 'param_groups': []}
    numbers = [number for group in optimizer['param_groups'] for number in group['params']]
    state_of = {
        name: optimizer['state'][number]
        for name, number in zip(parameter_names(old), numbers, strict=False)
        if number in optimizer['state']
    }
    names = parameter_names(new)
    changed = {
        **{key: value for key, value in optimizer.items() if key != 'base_param_settings'},
        'state': {i: state_of[name] for i, name in enumerate(names) if name in state_of},
        'param_groups': [],
    }
    first = 0
    for group, own in zip(new['groups'], settings, strict=True):
        own = copy.deepcopy(own)
        if not group['names']:
            changed['base_param_settings'] = {**own, 'params': torch.zeros(1)}
            continue
        count = len(group['names'])
        changed['param_groups'].append({**own, 'params': list(range(first, first + count))})
        first += count
    return changed


def _tell_parameters(old: Plain, new: Plain) -> list[str]:
    """Say which parameters are trained only now, and which are not any more."""
    was, now = set(parameter_names(old)), set(parameter_names(new))
    return [
        f'trained {change}: {len(names)} parameters, such as {min(names)}'
        for names, change in (
            (now - was, 'from now on, with moments that start at zero'),
            (was - now, 'no longer'),
        )
        if names
    ]
