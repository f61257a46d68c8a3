"""Makes MMEngine's logged numbers cost the same at every step of a run, however long it is.

MMEngine's ``HistoryBuffer`` copies all values of a key at each step and saves all in each
checkpoint. Here a buffer keeps the newest values, and of the older ones their number, sums, minimum
and maximum, so a statistic over the last values or over all is what it was. ``install`` replaces
the methods of the class; its pickles keep their form, so plain MMEngine reads them and ours reads
those of plain MMEngine.

A statistic over fewer values than all but more than are kept would need what is gone. Asking keeps
more: a buffer keeps at least twice the longest window that it was asked for, so windows that grow
step by step, such as MMEngine's 'epoch', stay exact.
"""

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.logging import HistoryBuffer
from mmengine.runner import LogProcessor

KEEP = 10_000  # newest values that every buffer keeps at least; 160 kB in a checkpoint
ALL = 1_000_000  # MMEngine's default max_length; a buffer with a smaller one forgets what is older
OLDER = 'mae_transfer_older'  # entry of a pickled buffer

Older = tuple[int, float, float, float, float]  # number, sum, sum of counts, minimum, maximum
NOTHING_OLDER: Older = (0, 0, 0, math.inf, -math.inf)


class GlobalWindow(int):
    """A window that grows with the run, so that to keep it is to keep everything."""


def _init(
    self: Any,
    log_history: Sequence = (),
    count_history: Sequence = (),
    max_length: int = ALL,
) -> None:
    """Start with some values; see MMEngine's class for the arguments."""
    if len(log_history) != len(count_history):
        raise ValueError(
            f'log_history has {len(log_history)} values and count_history {len(count_history)}: '
            'they must be of the same length'
        )
    if len(log_history) > max_length:
        warnings.warn(
            f'the first {len(log_history) - max_length} of {len(log_history)} values are ignored: '
            f'max_length={max_length}',
            stacklevel=2,
        )
    self.max_length = max_length
    self._set_default_statistics()
    _fill(self, np.array(log_history), np.array(count_history), NOTHING_OLDER, KEEP)


def _fill(self: Any, values: np.ndarray, counts: np.ndarray, older: Older, keep: int) -> None:
    """Set all values; room for more is made when they come."""
    self._values, self._counts, self._older = values, counts, older
    self._size, self._keep = len(values), keep
    _forget(self, _kept(self))


def _kept(self: Any) -> int:
    """Return how many values have to be kept."""
    return self._keep if self.max_length >= ALL else self.max_length


def _forget(self: Any, size: int) -> None:
    """Keep the newest ``size`` values, and of the others what statistics over all need."""
    surplus = self._size - size
    if surplus <= 0:
        return
    values, counts = self._values[:surplus], self._counts[:surplus]
    if self.max_length >= ALL:
        number, total, count, least, most = self._older
        self._older = (
            number + surplus,
            total + values.sum().item(),
            count + counts.sum().item(),
            np.minimum(least, values.min()).item(),
            np.maximum(most, values.max()).item(),
        )
    # A copy, as the two parts may overlap.
    self._values = self._values[surplus : self._size].copy()
    self._counts = self._counts[surplus : self._size].copy()
    self._size = size


def _append(array: np.ndarray, size: int, value: float) -> np.ndarray:
    """Write ``value`` behind the first ``size``; make room or another type if it needs that."""
    dtype = np.result_type(array.dtype, np.asarray(value).dtype)
    if size == len(array) or dtype != array.dtype:
        grown = np.empty(max(16, 2 * size) if size == len(array) else len(array), dtype)
        grown[:size] = array[:size]
        array = grown
    array[size] = value
    return array


def update(self: Any, log_val: float, count: int = 1) -> None:
    """Add a value.

    Args:
        self: The buffer.
        log_val: The value.
        count: How many samples it sums over.

    Raises:
        TypeError: One of them is no number.
    """
    if not isinstance(log_val, int | float) or not isinstance(count, int | float):
        raise TypeError(
            f'log_val={log_val!r}, count={count!r}: must be numbers, not '
            f'{type(log_val).__name__} and {type(count).__name__}'
        )
    self._values = _append(self._values, self._size, log_val)
    self._counts = _append(self._counts, self._size, count)
    self._size += 1
    if self._size >= 2 * _kept(self):
        _forget(self, _kept(self))


def _log_history(self: Any) -> np.ndarray:
    """Return the newest values: all unless there are more than ``KEEP``."""
    return self._values[max(0, self._size - self.max_length) : self._size]


def _count_history(self: Any) -> np.ndarray:
    """Return the counts of the newest values."""
    return self._counts[max(0, self._size - self.max_length) : self._size]


def _set_log_history(self: Any, values: np.ndarray) -> None:
    """Let code of others that assigns the values of a buffer go on working."""
    self._values, self._size, self._older = np.array(values), len(values), NOTHING_OLDER


def _set_count_history(self: Any, counts: np.ndarray) -> None:
    """Let code of others that assigns the counts of a buffer go on working."""
    self._counts = np.array(counts)


def _ask(self: Any, window_size: int | None) -> tuple[np.ndarray, np.ndarray, Older]:
    """Return values, counts and what is older, of the last ``window_size`` values or of all.

    Enough values for a longer window of this kind are kept from here on.
    """
    if window_size is not None and not isinstance(window_size, int):
        raise TypeError(f'window_size={window_size!r}: must be a whole number or None')
    values, counts, older = self._log_history, self._count_history, self._older
    if not window_size:
        return values, counts, older
    total = len(values) + older[0]
    if window_size > self._keep and not (
        window_size >= total and isinstance(window_size, GlobalWindow)
    ):
        self._keep = min(2 * window_size, ALL)
    if window_size >= total:
        return values, counts, older
    if window_size > len(values):
        warnings.warn(
            f'a statistic over the last {window_size} logged values is taken over the last '
            f'{len(values)}: older ones were summed up before anything asked for so many',
            stacklevel=3,
        )
    return values[-window_size:], counts[-window_size:], NOTHING_OLDER


def mean(self: Any, window_size: int | None = None) -> Any:
    """Return the sum of the last ``window_size`` values, or of all, over that of their counts."""
    values, counts, (_, total, count, *_) = _ask(self, window_size)
    return (values.sum() + total) / (counts.sum() + count)


def maximum(self: Any, window_size: int | None = None) -> Any:
    """Return the largest of the last ``window_size`` values, or of all."""
    values, _, (number, *_, most) = _ask(self, window_size)
    return np.maximum(values.max(), most) if number else values.max()


def minimum(self: Any, window_size: int | None = None) -> Any:
    """Return the smallest of the last ``window_size`` values, or of all."""
    values, _, (number, *_, least, _) = _ask(self, window_size)
    return np.minimum(values.min(), least) if number else values.min()


def _get_state(self: Any) -> dict[str, Any]:
    """Return what MMEngine pickles, with no more values than are needed, and without functions."""
    _forget(self, _kept(self))
    return {
        'max_length': self.max_length,
        '_log_history': self._log_history.copy(),
        '_count_history': self._count_history.copy(),
        OLDER: list(self._older),
    }


def _set_state(self: Any, state: Any) -> None:
    """Take values, counts and sums from a file, and nothing else.

    MMEngine's would also take functions for statistics, for all buffers of the process.

    Raises:
        ValueError: They are not what this class or MMEngine's writes.
    """
    state = state if isinstance(state, dict) else {}
    values, counts = state.get('_log_history'), state.get('_count_history')
    older = state.get(OLDER, NOTHING_OLDER)
    length = state.get('max_length', ALL)
    if not (
        _is_numbers(values)
        and _is_numbers(counts)
        and len(values) == len(counts)
        and type(length) is int
        and length > 0
        and isinstance(older, list | tuple)
        and [isinstance(number, int | float) for number in older] == [True] * 5
    ):
        raise ValueError('a HistoryBuffer in it has no valid values and counts')
    self.max_length = length
    self._set_default_statistics()
    # A file of plain MMEngine may hold a million values, none of them for a reason.
    _fill(self, values, counts, tuple(older), max(KEEP, len(values)) if OLDER in state else KEEP)


def _is_numbers(array: Any) -> bool:
    return isinstance(array, np.ndarray) and array.ndim == 1 and array.dtype.kind in 'biuf'


def _parse_windows_size(self: LogProcessor, runner: Any, *args: Any, **kwargs: Any) -> list:
    """Mark the windows that span the run."""
    parsed = _parse_plainly(self, runner, *args, **kwargs)
    written = args[1] if len(args) > 1 else kwargs.get('custom_cfg')
    for log, own in zip(parsed, self.custom_cfg if written is None else written, strict=True):
        if own.get('window_size') == 'global':
            log['window_size'] = GlobalWindow(log['window_size'])
    return parsed


_parse_plainly = LogProcessor._parse_windows_size


def install() -> None:
    """Replace the methods of MMEngine's HistoryBuffer; a second call has no effect."""
    for name, method in (
        ('__init__', _init),
        ('update', update),
        ('mean', mean),
        ('max', maximum),
        ('min', minimum),
        ('__getstate__', _get_state),
        ('__setstate__', _set_state),
        ('_log_history', property(_log_history, _set_log_history)),
        ('_count_history', property(_count_history, _set_count_history)),
    ):
        setattr(HistoryBuffer, name, method)
    HistoryBuffer._statistics_methods.update(min=minimum, max=maximum, mean=mean)
    LogProcessor._parse_windows_size = _parse_windows_size
