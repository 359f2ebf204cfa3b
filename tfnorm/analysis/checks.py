"""What every function of samples asks of them."""

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


def same_shape(x, y):
    """Checks that there are samples of x and of y, of one shape; they may differ in number."""
    if not len(x) or not len(y) or tuple(x.shape[1:]) != tuple(y.shape[1:]):
        raise ValueError(
            "Samples of `x` and `y` must have one shape, and there must be some. "
            f"Received: {x.shape=}, {y.shape=}"
        )
