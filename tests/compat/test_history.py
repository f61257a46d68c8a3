"""Logged numbers: bounded, and every statistic what MMEngine's own class says."""

import copy
import importlib.util
import io
import pickle
import random
import warnings

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.runner import CheckpointLoader, LogProcessor

from mae_transfer.compat import history
from mae_transfer.compat.history import GlobalWindow


def original() -> type:
    """MMEngine's class before ``install`` changed it."""
    spec = importlib.util.find_spec('mmengine.logging.history_buffer')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.HistoryBuffer


Plain = original()


@pytest.fixture(autouse=True)
def keep_few(monkeypatch):
    """Make the bound matter for short sequences."""
    monkeypatch.setattr(history, 'KEEP', 8)


def assert_same(ours, plain, windows):
    for window in windows:
        for name in ('mean', 'max', 'min'):
            a, b = (buffer.statistics(name, window_size=window) for buffer in (ours, plain))
            np.testing.assert_allclose(a, b, rtol=1e-12, err_msg=f'{name} of {window}')
            assert type(a) is type(b), (name, window)
    assert ours.current() == plain.current() and type(ours.current()) is type(plain.current())


def random_value(rng):
    kind = rng.choice(['float'] * 6 + ['int'] * 2 + ['rare'])
    if kind == 'rare':
        return rng.choice([0.0, -0.0, 1e300, -1e-300, True])
    return rng.randint(-5, 5) if kind == 'int' else rng.gauss(0, 1)


@pytest.mark.parametrize('seed', range(30))
def test_history__random_sequences(seed):
    """Windows: a number, the epoch so far, the run so far, all; saved and resumed on the way."""
    rng = random.Random(seed)
    with_ints = seed % 3 == 0
    first = rng.randint(0, 9) if with_ints else rng.gauss(0, 1)
    ours, plain = HistoryBuffer([first], [1]), Plain([first], [1])
    fixed, epoch, interval = rng.randint(1, 30), rng.randint(1, 60), rng.randint(1, 9)
    for step in range(1, 300):
        value = rng.randint(-9, 9) if with_ints and step < 40 else random_value(rng)
        count = rng.randint(1, 4)
        ours.update(value, count)
        plain.update(value, count)
        assert len(ours.data[0]) <= max(4 * max(fixed, epoch), 16)
        if step % interval == 0:
            asked = [fixed, step % epoch + 1, GlobalWindow(step + 1), None, GlobalWindow(10**9), 1]
            assert_same(ours, plain, asked if step % 7 else asked[:4])
        if rng.random() < 0.02:
            ours = rng.choice([copy.deepcopy, lambda b: pickle.loads(pickle.dumps(b))])(ours)


@pytest.mark.parametrize('bad', [float('nan'), float('inf'), -float('inf')])
def test_history__numbers_that_are_not_finite(bad):
    ours, plain = HistoryBuffer(), Plain()
    for step in range(60):
        for buffer in (ours, plain):
            buffer.update(bad if step == 3 else 0.5)
    with np.errstate(invalid='ignore'):
        assert_same(ours, plain, [None, 1, 5])


def test_history__the_older_ones_cost_nothing():
    buffer = HistoryBuffer()
    for _ in range(1000):
        buffer.update(1.0)
    assert len(pickle.dumps(buffer)) < 1000 and len(buffer.data[0]) == 8
    assert buffer.mean() == 1.0 and buffer._older[0] == 992


def test_history__a_long_window_that_nobody_announced():
    buffer = HistoryBuffer()
    for value in range(100):
        buffer.update(float(value))
    with pytest.warns(
        UserWarning, match=r'over the last 50 logged values is taken over the last \d'
    ):
        buffer.mean(50)
    for value in range(100):
        buffer.update(float(value))
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert buffer.mean(50) == np.mean(range(50, 100))  # kept since it was asked for


def test_history__max_length():
    """A shorter one forgets what is older, as the original does."""
    ours, plain = HistoryBuffer(max_length=5), Plain(max_length=5)
    for value in range(40):
        for buffer in (ours, plain):
            buffer.update(float(value), value + 1)
        assert_same(ours, plain, [None, 2, 5, 9])
    np.testing.assert_array_equal(ours.data, plain.data)
    with pytest.warns(UserWarning, match='first 2 of 7 values are ignored: max_length=5'):
        assert list(HistoryBuffer(range(7), [1] * 7, max_length=5).data[0]) == [2, 3, 4, 5, 6]


def test_history__statistics_of_others_see_the_newest_values():
    buffer = HistoryBuffer(range(30), [1] * 30)
    try:
        HistoryBuffer.register_statistics(last_two)
        assert buffer.statistics('last_two') == 57
    finally:
        del HistoryBuffer._statistics_methods['last_two']


def last_two(self):
    return self._log_history[-2:].sum()


def test_history__errors():
    with pytest.raises(TypeError, match="log_val='1', count=1: must be numbers, not str and int"):
        HistoryBuffer().update('1')
    with pytest.raises(ValueError, match='current|empty'):
        HistoryBuffer().current()
    with pytest.raises(ValueError, match='2 values and count_history 1'):
        HistoryBuffer([1, 2], [1])
    with pytest.raises(TypeError, match='window_size=2.0'):
        HistoryBuffer([1.0], [1]).mean(2.0)


class PickledMethod:
    """Pickles as the original's functions do."""

    def __init__(self, name):
        self.name = name

    def __reduce__(self):
        return getattr, (HistoryBuffer, self.name)


class PlainUnpickler(pickle.Unpickler):
    """Reads as a process does that never imported mae_transfer."""

    def find_class(self, module, name):
        return Plain if name == 'HistoryBuffer' else super().find_class(module, name)


def test_history__plain_mmengine_reads_ours():
    buffer = HistoryBuffer()
    for value in range(100):
        buffer.update(float(value), 2)
    found = PlainUnpickler(io.BytesIO(pickle.dumps(buffer))).load()
    assert type(found) is Plain and found.current() == 99.0
    assert found.mean(5) == 48.5 and found.max() == 99.0
    found.update(1.0)
    assert found.current() == 1.0


def test_history__reads_long_ones_of_plain_mmengine(tmp_path):
    """With the functions that the original pickles, and more values than are kept."""
    values = np.random.default_rng(0).random(5000)
    plain = Plain(values.tolist(), [1] * 5000)
    methods = {name: PickledMethod(name) for name in ('min', 'max', 'current', 'mean')}
    state = plain.__getstate__() | {'statistics_methods': methods}
    written = HistoryBuffer.__new__(HistoryBuffer)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HistoryBuffer, '__getstate__', lambda self: state)
        hub = dict(log_scalars={'train/loss': written}, runtime_info={}, resumed_keys={})
        torch.save({'message_hub': hub}, tmp_path / 'x.pth')
    path = str(tmp_path / 'x.pth')
    found = CheckpointLoader.load_checkpoint(path, map_location='cpu', logger='silent')
    hub = MessageHub.get_instance(tmp_path.name)
    hub.load_state_dict(found['message_hub'])
    buffer = hub.get_scalar('train/loss')
    assert_same(buffer, plain, [None, 5, 8, GlobalWindow(5000)])
    assert len(buffer.data[0]) == 8


@pytest.mark.parametrize(
    'state',
    [
        None,
        {},
        {'_log_history': np.ones(2), '_count_history': np.ones(3)},
        {'_log_history': [1.0], '_count_history': [1.0]},
        {'_log_history': np.array(['x']), '_count_history': np.ones(1)},
        {'_log_history': np.ones((1, 2)), '_count_history': np.ones((1, 2))},
        {'_log_history': np.ones(1), '_count_history': np.ones(1), 'max_length': 'x'},
        {'_log_history': np.ones(1), '_count_history': np.ones(1), history.OLDER: [1, 2]},
        {'_log_history': np.ones(1), '_count_history': np.ones(1), history.OLDER: ['x'] * 5},
    ],
)
def test_history__refuses_what_no_buffer_writes(state):
    with pytest.raises(ValueError, match='no valid values and counts'):
        HistoryBuffer.__new__(HistoryBuffer).__setstate__(state)


def test_history__a_file_changes_no_function():
    """The original takes functions for all buffers of the process from each file."""
    before = dict(HistoryBuffer._statistics_methods)
    buffer = HistoryBuffer.__new__(HistoryBuffer)
    arrays = {'_log_history': np.ones(1), '_count_history': np.ones(1)}
    buffer.__setstate__(arrays | {'statistics_methods': {'mean': print}, 'mean': print, 'max': 3})
    assert HistoryBuffer._statistics_methods == before
    assert buffer.mean() == 1.0 and buffer.max() == 1.0


def test_log_processor__windows():
    """Those over the run are marked; all are as long as MMEngine says."""

    class Runner:
        iter = 41

    processor = LogProcessor(
        custom_cfg=[
            dict(data_src='a', log_name='a', method_name='mean', window_size='global'),
            dict(data_src='b', log_name='b', method_name='mean', window_size='epoch'),
            dict(data_src='c', log_name='c', method_name='mean', window_size=5),
        ]
    )
    parsed = processor._parse_windows_size(Runner, 6)
    assert [log['window_size'] for log in parsed] == [42, 7, 5]
    kinds = [isinstance(log['window_size'], GlobalWindow) for log in parsed]
    assert kinds == [True, False, False]
    again = processor._parse_windows_size(Runner, 6, processor.custom_cfg)
    assert again == parsed and processor.custom_cfg[0]['window_size'] == 'global'
