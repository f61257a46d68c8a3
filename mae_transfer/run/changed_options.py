"""Compares the facts of a checkpoint with those of the run that resumes it, in sentences."""

from collections.abc import Iterator

from mae_transfer.run.learning_rate import Batch
from mae_transfer.run.plain_data import Plain, differences, in_words
from mae_transfer.run.run_facts import scheduled_settings

Change = tuple[str, Plain, Plain]  # dotted key, old and new value

LABELS = {
    'optim_wrapper.optimizer.lr': 'learning rate',
    'optim_wrapper.optimizer.weight_decay': 'weight decay',
    'optim_wrapper.optimizer.betas': 'betas',
    'optim_wrapper.optimizer.momentum': 'momentum',
    'optim_wrapper.clip_grad.max_norm': 'gradient clipping',
    'optim_wrapper.paramwise_cfg.layer_decay_rate': 'layer decay',
}
# Compared as facts of the run as it was built, not as keys of its config.
BUILT = (
    *('param_scheduler', 'train_cfg.type', 'train_cfg.by_epoch', 'train_cfg.max_iters'),
    *('train_cfg.max_epochs', 'train_dataloader.batch_size', 'optim_wrapper.accumulative_counts'),
    *('optim_wrapper.type', 'optim_wrapper.dtype', 'randomness.seed'),
)
PRECISIONS = {
    'OptimWrapper': 'float32',
    'AutocastOptimWrapper': 'bfloat16',
    'AmpOptimWrapper': 'float16',
}
# Attributes of schedulers that follow from their begin and end.
DERIVED = ('total_iters', 'steps_to_full')
MOST = 30  # changes that are told one by one


def refuse_changes(old: Plain, new: Plain, file: str) -> None:
    """Refuse what a run cannot go on with.

    Args:
        old: Facts of the checkpoint.
        new: Facts of the run.
        file: Name of the checkpoint.

    Raises:
        ValueError: Another optimizer, or other classes for a model that predicts classes.
    """
    was, now = (facts['config'].get('optim_wrapper') or {} for facts in (old, new))
    kinds = [(wrapper.get('optimizer') or {}).get('type') for wrapper in (was, now)]
    if kinds[0] != kinds[1]:
        raise ValueError(
            f'--resume: optim_wrapper.optimizer.type {in_words(kinds[0])} -> {in_words(kinds[1])}: '
            f'the state in {file} is that of {kinds[0]}; keep it, or start from the weights alone '
            'with --cfg-options load_from=FILE instead of --resume'
        )
    classes, others = old['data']['classes'], new['data']['classes']
    if classes and others and classes != others and _has_classes(new['config'].get('model')):
        raise ValueError(
            f'--resume: the model in {file} was trained on other classes: '
            f'{_other_classes(classes, others)}; resume it with its classes, or start a run of its '
            'own from its weights with --cfg-options load_from=FILE instead of --resume'
        )


def model_changes(old: Plain, new: Plain) -> list[str]:
    """Say what changed in the config of the model."""
    return [_words(change) for change in _config_changes(old, new) if change[0].startswith('model')]


def tell_changes(old: Plain, new: Plain, iteration: int, rate: float | None) -> list[str]:
    """Say, in one sentence each, which options of a run are not those of its checkpoint.

    Args:
        old: Facts of the checkpoint.
        new: Facts of the run.
        iteration: The iteration from which the run goes on.
        rate: Learning rate of the first parameter group in that iteration, if a scheduler sets it.
    """
    changes = list(_config_changes(old, new))
    told = [*_tell_built(old, new, iteration)]
    schedule = _tell_schedule(old, new)
    here = '' if rate is None else f'; in iteration {iteration + 1} the learning rate is {rate:.4g}'
    if schedule:
        told.append(f'schedule {schedule}{here}')
        here = ''
    shown = changes if len(changes) <= MOST else changes[: MOST - 1]
    for change in shown:
        base = change[0] == 'optim_wrapper.optimizer.lr'
        told.append(f'{_words(change)}{here if base else ""}')
    if rest := [key for key, _, _ in changes[len(shown) :]]:
        told.append(f'{len(rest)} more: {", ".join(rest)}')
    if not any(key.startswith(('optim_wrapper', 'model')) for key, _, _ in changes):
        told += _tell_groups(old, new)
    return told


def _config_changes(old: Plain, new: Plain) -> Iterator[Change]:
    """Walk the options that changed, without those that are compared as built."""
    for key, was, now in differences(old['config'], new['config']):
        names = key.split('.')
        built = any(f'{key}.'.startswith(f'{other}.') for other in BUILT)
        if built or 'init_cfg' in names:
            continue
        if key.startswith('optim_wrapper.optimizer.'):  # what is not set has a default
            was, now = (
                facts['groups'][-1]['settings'].get(names[-1]) if value is None else value
                for facts, value in ((old, was), (new, now))
            )
        if was != now:
            yield key, was, now


def _words(change: Change) -> str:
    key, was, now = change
    label = LABELS.get(key)
    return f'{f"{label} ({key})" if label else key} {in_words(was)} -> {in_words(now)}'


def _tell_built(old: Plain, new: Plain, iteration: int) -> Iterator[str]:
    """Say what changed in the facts of the run as it was built, except the schedule."""
    if (old['counts'], old['length']) != (new['counts'], new['length']):
        unit = f' {old["counts"]}' if old['counts'] != new['counts'] else ''
        yield f'length {old["length"]}{unit} -> {new["length"]} {new["counts"]}'
    if old['batch'] != new['batch'] and old['batch'] and new['batch']:
        yield (
            f'batch {Batch(**old["batch"])} -> {Batch(**new["batch"])}; a step stays a step, and '
            f'the data come in other batches from iteration {iteration + 1} on'
        )
    if new['counts'] == old['counts'] == 'epochs':
        was, now = old['steps_per_epoch'], new['steps_per_epoch']
        if was != now:
            yield f'steps of an epoch {was} -> {now}; the run goes on at iteration {iteration}'
    if (was := old['data']['samples']) != (now := new['data']['samples']):
        yield f'training data {was} -> {now} samples'
    else:
        pictures = zip(old['data']['pictures'], new['data']['pictures'], strict=False)
        for former, latter in [(a, b) for a, b in pictures if a != b][:1]:
            yield f'training data with the picture {former!r} -> {latter!r}'
    if (was := old['data']['classes']) != (now := new['data']['classes']):
        yield f'classes {in_words(was)} -> {in_words(now)}'
    if (was := _precision(old)) != (now := _precision(new)):
        yield f'precision {was} -> {now}'
    if (was := _seed(old)) != (now := _seed(new)):
        goes_on = f'it stays {was}' if now is None else 'the data come in another order'
        goes_on += f' from iteration {iteration + 1} on'
        yield f'seed {in_words(was)} -> {in_words(now)}; {goes_on}'


def _tell_schedule(old: Plain, new: Plain) -> str:
    """Say what changed in the schedulers; empty if nothing did."""
    was, now = old['schedulers'], new['schedulers']
    if was == now:
        return ''
    if [one['type'] for one in was] != [one['type'] for one in now]:
        return f'{_spans(was)} -> {_spans(now)}'
    told = []
    for former, latter in zip(was, now, strict=True):
        changes = list(differences(former, latter))
        moved = any(key in ('begin', 'end') for key, _, _ in changes)
        words = [_words(c) for c in changes if not (moved and c[0] in DERIVED)]
        if words:
            told.append(f'{latter["type"]} {", ".join(words)}')
    return '; '.join(told)


def _spans(schedulers: list[dict]) -> str:
    shown = [f'{one["type"]} {one["begin"]} to {one["end"]}' for one in schedulers]
    return ', '.join(shown) or 'none'


def _tell_groups(old: Plain, new: Plain) -> Iterator[str]:
    """Say what changed in the first parameter group although no option of theirs did."""
    was, now = old['groups'], new['groups']
    if len(was) != len(now):
        yield f'parameter groups {len(was)} -> {len(now)}'
    names = scheduled_settings(old) | scheduled_settings(new)
    scheduled = {f'initial_{name}' for name in names}
    if old['schedulers'] != new['schedulers']:
        scheduled = set()
        names |= {f'initial_{name}' for name in names}
    for key, former, latter in differences(was[0]['settings'], now[0]['settings']):
        if key in scheduled or key not in names:
            setting = key.removeprefix('initial_')
            yield f'setting {setting} of the optimizer {in_words(former)} -> {in_words(latter)}'


def _precision(facts: Plain) -> str:
    wrapper = facts['config'].get('optim_wrapper') or {}
    kind = wrapper.get('type') or 'OptimWrapper'
    default = PRECISIONS.get(kind, kind)
    return default if kind == 'OptimWrapper' else wrapper.get('dtype') or default


def _seed(facts: Plain) -> int | None:
    return (facts['config'].get('randomness') or {}).get('seed')


def changed_seed(old: Plain, new: Plain) -> int | None:
    """Return the seed of the run if it is another one than that of its checkpoint."""
    return _seed(new) if _seed(new) != _seed(old) else None


def _has_classes(model: Plain) -> bool:
    """Return whether a part of a model states a number of classes."""
    if isinstance(model, dict):
        return 'num_classes' in model or any(map(_has_classes, model.values()))
    return isinstance(model, list) and any(map(_has_classes, model))


def _other_classes(was: list, now: list) -> str:
    """Name the first class that differs, by name or by place."""
    if len(was) != len(now):
        return f'{len(was)} -> {len(now)}, {in_words(was)} -> {in_words(now)}'
    first = next(i for i, former in enumerate(was) if former != now[i])
    return f'class {first} is {in_words(was[first])} -> {in_words(now[first])}'
