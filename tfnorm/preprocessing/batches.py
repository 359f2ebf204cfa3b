"""Batches of the data that a preprocessing layer is adapted to."""

import itertools
import typing
from collections.abc import Iterable

import keras
import numpy as np

from tfnorm.layers.arguments import check_positive

# Rows of an array that are read at a time.
_ROWS = 1024


def batches_of(data: typing.Any, batch_size: int | None) -> Iterable[typing.Any]:
    """Yields batches (n, ...) of what `Whitening.adapt` takes, as that says.

    Raises:
        ValueError: `batch_size` is given, and the data come in batches already.
        TypeError: they are no data.
    """
    if isinstance(data, keras.utils.PyDataset):
        count = count_batches(data)
        indices = itertools.count() if count is None else range(count)
        parts: Iterable[typing.Any] = (data[index] for index in indices)
    elif hasattr(data, "shape") or (isinstance(data, list) and not _is_of_batches(data)):
        rows = np.asarray(data)
        if not rows.ndim:
            raise ValueError(
                f"Data must be (n, ...), dense, n samples. Received: {type(data).__name__}"
            )
        size = _ROWS if batch_size is None else check_positive("batch_size", batch_size)
        parts = (rows[start : start + size] for start in range(0, len(rows), size))
    elif isinstance(data, Iterable):
        if batch_size is not None:
            raise ValueError(
                "`batch_size` is for arrays: others come in batches. Received: "
                f"batch_size={batch_size}, data of {type(data).__name__}"
            )
        parts = data
    else:
        raise TypeError(
            "Data must be an array, a dataset or an iterable of batches. Received: "
            f"data of {type(data).__name__}"
        )
    return (part[0] if isinstance(part, tuple) else part for part in parts)


def count_batches(data: keras.utils.PyDataset) -> int | None:
    """How many batches a dataset has; None, which Keras' type leaves out, if it has no end."""
    return data.num_batches


def _is_of_batches(data: list[typing.Any]) -> bool:
    """Tells whether a list is of batches (n, ...), and not of samples."""
    return bool(data) and len(getattr(data[0], "shape", ())) > 1
