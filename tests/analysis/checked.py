"""Pairs of samples, and comparisons, for tests of bounds."""

import numpy as np
import pytest

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(2, 14, 4))
LONG = 1.5 * RNG.normal(size=(23, 4)) - 0.3

# Two samples each, of which every theorem holds: one kind of trouble a pair.
PAIRS = {
    "sizes": (X, LONG),
    "far from 0": (1e6 + X, Y),
    "scales": (1e-3 * X, 1e3 * LONG),
    "heavy tails": tuple(np.clip(RNG.standard_cauchy(size=(2, 14, 4)), -1e4, 1e4)),
    "some zeros": (np.concatenate([np.zeros((3, 4)), X]), np.concatenate([LONG, np.zeros((3, 4))])),
    "a constant column": (X * [1.0, 1.0, 0.0, 1.0] + 2.0, LONG * [1.0, 1.0, 0.0, 1.0] + 2.0),
    "more columns than rows": (RNG.normal(size=(5, 60)), RNG.normal(size=(8, 60)) + 0.1),
}
every_pair = pytest.mark.parametrize("x, y", PAIRS.values(), ids=PAIRS)


def assert_at_most(value, bound, scale=0.0):
    """value <= bound, but for rounding of the bound and of numbers of a scale."""
    assert value <= bound * (1 + 1e-9) + 1e-14 * scale
