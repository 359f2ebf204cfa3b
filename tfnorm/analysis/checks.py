"""Checks of what functions of samples are given."""

import collections.abc
import numbers
import typing

import numpy as np
import numpy.typing as npt


class Samples(typing.Protocol):
    """Samples (n, ...) that are read as they are indexed: an array, or what may be on the disk."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, key: typing.Any, /) -> np.ndarray: ...


# Of the two distributions that are compared.
SamplePair = tuple[Samples, Samples]


def samples(values: npt.ArrayLike, name: str) -> np.ndarray:
    """Returns samples (n, ..., d) as float64, after a check that they are finite and not empty.

    Args:
        values: the samples.
        name: that of the argument, for the error.
    """
    values = np.asarray(values, np.float64)
    if values.ndim < 2 or not values.size:
        raise ValueError(
            f"`{name}` must be (samples, ..., d) and not empty. "
            f"Received: {name}.shape={values.shape}"
        )
    bad = values.size - np.count_nonzero(np.isfinite(values))
    if bad:
        raise ValueError(
            f"`{name}` must be finite. Received: {bad} of {values.size} values are not"
        )
    return values


def vectors(values: npt.ArrayLike, name: str) -> np.ndarray:
    """Returns `samples`, after a check that each is a vector: (n, d)."""
    values = samples(values, name)
    if values.ndim != 2:
        raise ValueError(f"`{name}` must be (samples, d). Received: {name}.shape={values.shape}")
    return values


def pair(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    check: collections.abc.Callable[[npt.ArrayLike, str], np.ndarray] = vectors,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns x and y, after a check of each; they may differ in their number of samples alone."""
    x, y = check(x, "x"), check(y, "y")
    if x.shape[1:] != y.shape[1:]:
        raise ValueError(
            f"Samples of `x` and `y` must have one shape. Received: {x.shape=}, {y.shape=}"
        )
    return x, y


def indexed_pair(x: Samples | npt.ArrayLike, y: Samples | npt.ArrayLike) -> SamplePair:
    """Returns x and y to be indexed as they are needed, after a check that their samples are alike.

    Each is an array (n, ...), or has its `shape`, length and indexing; they may differ in n.
    """
    x, y = _indexed(x), _indexed(y)
    if len(x.shape) < 2 or x.shape[1:] != y.shape[1:] or not len(x) or not len(y):
        raise ValueError(
            "`x` and `y` must be (samples, ...), of samples of one shape, and not empty. "
            f"Received: x.shape={tuple(x.shape)}, y.shape={tuple(y.shape)}"
        )
    return x, y


def _indexed(values: typing.Any) -> Samples:
    return values if hasattr(values, "shape") else np.asarray(values)


def finite_rows(samples: Samples, start: int, stop: int) -> np.ndarray:
    """Returns some rows of samples as they are used, after a check that they are finite."""
    rows = np.asarray(samples[start : min(stop, len(samples))])
    if not np.isfinite(rows).all():
        raise ValueError("Samples must be finite. Received: values that are not")
    return rows


def positive_integer(name: str, value: typing.Any) -> None:
    """Checks that an argument counts something."""
    if not isinstance(value, numbers.Integral) or int(value) < 1:
        raise ValueError(f"`{name}` must be an integer of 1 or more. Received: {name}={value!r}")


def positive(name: str, value: typing.Any) -> None:
    """Checks that an argument is a positive number."""
    if not isinstance(value, numbers.Real) or not 0 < float(value) < float("inf"):
        raise ValueError(f"`{name}` must be positive and finite. Received: {name}={value!r}")
