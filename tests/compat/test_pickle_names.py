"""Arrays come out of pickles of any NumPy; nothing else is looked up, let alone called."""

import io
import pickle
from collections import OrderedDict

import numpy as np
import pytest

from mae_transfer.compat.pickle_names import NUMPY_NAMES, ArrayUnpickler, ForeignNameError
from mae_transfer.compat.runner_load import allowed_objects
from mae_transfer.compat.safe_load import INERT

INSTALLED = 'numpy._core' if np.__version__ >= '2' else 'numpy.core'
CONTENT = OrderedDict(
    pixels=np.arange(6, dtype=np.uint8).reshape(2, 3), scalar=np.float64(0.5), raw=b'\x00\xff'
)


def load(data: bytes) -> object:
    return ArrayUnpickler(io.BytesIO(data)).load()


@pytest.mark.parametrize('protocol', [2, 3, 4, 5])
def test_array_unpickler__arrays_come_back(protocol):
    found = load(pickle.dumps(CONTENT, protocol=protocol))
    np.testing.assert_array_equal(found['pixels'], CONTENT['pixels'])
    assert found['pixels'].dtype == np.uint8
    assert found['scalar'] == 0.5 and found['raw'] == b'\x00\xff'


@pytest.mark.parametrize('core', ['numpy.core', 'numpy._core'])
def test_array_unpickler__reads_what_another_numpy_wrote(core):
    data = pickle.dumps(CONTENT, protocol=2)
    assert INSTALLED.encode() in data
    found = load(data.replace(INSTALLED.encode(), core.encode()))
    np.testing.assert_array_equal(found['pixels'], CONTENT['pixels'])


@pytest.mark.parametrize('target', [print, pickle.loads, np.load, getattr])
def test_array_unpickler__refuses_every_other_name(target):
    with pytest.raises(ForeignNameError, match=target.__name__):
        load(pickle.dumps(target))


def test_array_unpickler__bytes_come_in_one_codec():
    data = pickle.dumps(b'\xff', protocol=2)
    with pytest.raises(pickle.UnpicklingError, match="bytes in 'rot-13'"):
        load(data.replace(b'latin1', b'rot-13'))


def test_numpy_names__are_those_of_every_reader():
    assert set(NUMPY_NAMES) <= set(INERT)
    assert set(NUMPY_NAMES) <= {name for _, name in allowed_objects()}
