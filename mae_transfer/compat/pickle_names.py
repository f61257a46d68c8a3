"""Lists the names that a pickle of NumPy arrays may contain, for every reader of pickles here.

NumPy pickles an array as a call of a function that rebuilds it. NumPy 2 renamed the module of
these functions from ``numpy.core`` to ``numpy._core``, and files of both kinds exist, so both names
map to the functions of the installed NumPy. These build arrays, numbers and data types from bytes
in the file; none can be made to run code from the file.
"""

import importlib
import pickle
from collections import OrderedDict
from typing import Any

import numpy as np

_CORE = importlib.import_module('numpy.core' if np.__version__.startswith('1.') else 'numpy._core')
_REBUILDERS = {
    'multiarray._reconstruct': _CORE.multiarray._reconstruct,
    'multiarray.scalar': _CORE.multiarray.scalar,
    'numeric._frombuffer': _CORE.numeric._frombuffer,
}

NUMPY_NAMES: dict[str, Any] = {
    'numpy.dtype': np.dtype,
    'numpy.ndarray': np.ndarray,
    **{f'numpy.dtypes.{name}': getattr(np.dtypes, name) for name in np.dtypes.__all__},
    **{
        f'numpy.{core}.{name}': function
        for core in ('core', '_core')
        for name, function in _REBUILDERS.items()
    },
}


class ForeignNameError(Exception):
    """A pickle contains a name that is neither an array nor a plain container."""


class ArrayUnpickler(pickle.Unpickler):
    """Builds NumPy arrays and plain containers, and refuses every other name.

    Raises:
        ForeignNameError: During loading; its text is the name.
    """

    def find_class(self, module: str, name: str) -> Any:
        """Look up a name in the file."""
        path = f'{module}.{name}'
        if path == 'collections.OrderedDict':
            return OrderedDict
        if path == '_codecs.encode':  # how protocol 2 writes bytes
            return _encode_latin1
        if path not in NUMPY_NAMES:
            raise ForeignNameError(path)
        return NUMPY_NAMES[path]


def _encode_latin1(text: str, encoding: str) -> bytes:
    # Other codecs do more than copy bytes: 'zlib' decompresses, and others are looked up by name.
    if encoding != 'latin1':
        raise pickle.UnpicklingError(f'bytes in {encoding!r}')
    return text.encode('latin1')
