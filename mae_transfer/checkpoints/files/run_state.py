"""Checks that a checkpoint holds the state of a run in the form that MMEngine goes on from.

MMEngine takes what it finds: a text as an iteration or a list as an optimizer ends in a traceback,
and an entry of a scheduler that is named like a method replaces it.
"""

from typing import Any

from mmengine.logging import HistoryBuffer
from mmengine.optim import _ParamScheduler


def check_run_state(content: dict, path: str) -> None:
    """Refuse to resume from a checkpoint without a valid state of a run.

    Args:
        content: What was read from the file.
        path: The file.

    Raises:
        ValueError: Names what is missing or wrong.
    """
    meta = content.get('meta')
    if not isinstance(meta, dict) or 'iter' not in meta:
        raise ValueError(
            f'{path} cannot be resumed: it has no state of a run (iteration, optimizer), only '
            'weights; start from them with --cfg-options load_from=FILE'
        )
    wrong = _wrong_in_meta(meta) or _wrong_in_hub(content.get('message_hub'))
    wrong = wrong or _wrong_in_optimizer(content.get('optimizer', {'state': {}}))
    wrong = wrong or _wrong_in_schedulers(content.get('param_schedulers', []))
    if wrong:
        raise ValueError(
            f'{path} cannot be resumed: {wrong}; it was not written by a run, or changed since'
        )


def _wrong_in_meta(meta: dict) -> str | None:
    for name in ('epoch', 'iter'):
        if type(meta.get(name)) is not int or meta[name] < 0:
            return f'meta[{name!r}] is {meta.get(name)!r}, not a whole number from 0'
    seed = meta.get('seed')
    if seed is not None and not (type(seed) is int and 0 <= seed < 2**32):
        return f"meta['seed'] is {seed!r}, not a whole number from 0 to 2**32"
    return None


def _wrong_in_hub(hub: Any) -> str | None:
    parts = ('log_scalars', 'runtime_info', 'resumed_keys')
    if not isinstance(hub, dict) or not all(isinstance(hub.get(part), dict) for part in parts):
        return f'its message_hub is not a dict of {", ".join(parts)}'
    for part, kind in zip(parts, (HistoryBuffer, object, bool), strict=True):
        for name, value in hub[part].items():
            if not isinstance(name, str) or not isinstance(value, kind):
                return f'message_hub[{part!r}][{name!r}] is a {type(value).__name__}'
    return None


def _wrong_in_optimizer(optimizer: Any) -> str | None:
    """Check one optimizer, or several by name as of GANs."""
    if not isinstance(optimizer, dict):
        return f'its optimizer is a {type(optimizer).__name__}, not a dict'
    if 'state' not in optimizer:
        return next(filter(None, map(_wrong_in_optimizer, optimizer.values())), None)
    groups = optimizer.get('param_groups', [])
    if not isinstance(optimizer['state'], dict) or not isinstance(groups, list):
        return 'its optimizer is not a dict of a state by parameter and a list of groups'
    if not all(isinstance(group, dict) and 'params' in group for group in groups):
        return "its optimizer has groups without 'params'"
    return None


def _wrong_in_schedulers(schedulers: Any) -> str | None:
    """Check the schedulers, in a list or, by optimizer, in several."""
    if isinstance(schedulers, dict):
        return next(filter(None, map(_wrong_in_schedulers, schedulers.values())), None)
    if not isinstance(schedulers, list) or not all(isinstance(s, dict) for s in schedulers):
        return 'its param_schedulers are not a list of dicts'
    for state in schedulers:
        for name in state:
            if not isinstance(name, str) or hasattr(_ParamScheduler, name):
                return f'its param_schedulers have an entry {name!r}'
    return None
