"""Pickles of NumPy arrays and plain types, which cannot run anything."""

import _codecs
import pickle

import numpy as np

from harness.datasets.damage import reason
from harness.errors import UserError


def _dtype(code, align=False, copy=False):
    # Python 2 wrote the flags as integers, which NumPy 2.4.0 to 2.4.4 warn of.
    return np.dtype(code, align=bool(align), copy=bool(copy))


def _frombuffer(buffer, dtype, shape, order, axis_order=None):
    array = np.frombuffer(buffer, dtype).reshape(shape, order=order)
    return array if axis_order is None else array.transpose(np.argsort(axis_order))


_reconstruct = np.zeros(0).__reduce__()[0]

# Whatever else a pickle names could be called by it: os.system is a global like any other.
_GLOBALS = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): _dtype,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("_codecs", "encode"): _codecs.encode,
    # From protocol 5 on.
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    ("numpy._core.numeric", "_frombuffer"): _frombuffer,
}


class _Unpickler(pickle.Unpickler):
    def __init__(self, file, path):
        super().__init__(file, encoding="bytes")
        self._path = path

    def find_class(self, module, name):
        if (module, name) not in _GLOBALS:
            raise UserError(
                f"{self._path} is refused: its pickle must hold NumPy arrays and plain types only. "
                f"Received: the global {module}.{name}. Take the file from its official source"
            )
        return _GLOBALS[module, name]


def read_pickle(path):
    """Reads the object in the pickle file `path`, a `pathlib.Path`; strings of Python 2 are bytes.

    Raises:
        UserError: if the pickle names anything but NumPy's arrays, or is damaged.
    """
    try:
        with path.open("rb") as file:
            return _Unpickler(file, path).load()
    except UserError:
        raise
    except Exception as error:  # Damaged bytes surface as one of many types.
        raise UserError(
            f"Damaged data: {path} must be a whole pickle. Received: {type(error).__name__}: "
            f"{reason(error)}. Download the file again"
        ) from error
