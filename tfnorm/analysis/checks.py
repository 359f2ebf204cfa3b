"""What every function of samples asks of them."""

import numbers

import numpy as np


def samples(values, name):
    """`values` (n, ..., d) as float64, finite, nothing empty; `name` is the argument's."""
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


def rows(values, name):
    """`samples` that are vectors: (n, d)."""
    values = samples(values, name)
    if values.ndim != 2:
        raise ValueError(f"`{name}` must be (samples, d). Received: {name}.shape={values.shape}")
    return values


def two(x, y, check=rows):
    """x and y after a check of each; they may differ in their number of samples alone."""
    x, y = check(x, "x"), check(y, "y")
    if x.shape[1:] != y.shape[1:]:
        raise ValueError(
            f"Samples of `x` and `y` must have one shape. Received: {x.shape=}, {y.shape=}"
        )
    return x, y


def indexed(x, y):
    """x and y that are indexed as they are needed, after a check that their samples are alike.

    Each is an array (n, ...), or has its `shape`, length and indexing; they may differ in n.
    """
    x, y = (each if hasattr(each, "shape") else np.asarray(each) for each in (x, y))
    if (
        min(len(x.shape), len(y.shape)) < 2
        or x.shape[1:] != y.shape[1:]
        or not len(x)
        or not len(y)
    ):
        raise ValueError(
            "`x` and `y` must be (samples, ...), of samples of one shape, and not empty. "
            f"Received: x.shape={tuple(x.shape)}, y.shape={tuple(y.shape)}"
        )
    return x, y


def block(samples, start, stop):
    """Some rows of samples as they are used, after a check that they are finite."""
    rows = np.asarray(samples[start : min(stop, len(samples))])
    if not np.isfinite(rows).all():
        raise ValueError("Samples must be finite. Received: values that are not")
    return rows


def positive_integer(name, value):
    """Checks that an argument counts something."""
    if not isinstance(value, numbers.Integral) or value < 1:
        raise ValueError(f"`{name}` must be an integer of 1 or more. Received: {name}={value!r}")


def positive(name, value):
    """Checks that an argument is a positive number."""
    if not isinstance(value, numbers.Real) or not 0 < value < float("inf"):
        raise ValueError(f"`{name}` must be positive and finite. Received: {name}={value!r}")
