"""Checks of samples: what they return, and what they refuse."""

import numpy as np
import pytest

from tfnorm.analysis import checks

ONES = np.ones((3, 2))
NOT_FINITE = np.array([[1.0, np.nan], [np.inf, 0.0]])


def test_samples_are_float64():
    for values in ([[1, 2]], np.ones((2, 3, 4), np.float32)):
        checked = checks.samples(values, "x")
        assert checked.dtype == np.float64
        np.testing.assert_array_equal(checked, values)
    assert checks.vectors([[1, 2]], "x").shape == (1, 2)


@pytest.mark.parametrize(
    ("values", "received"),
    [
        (np.ones(2), r"x\.shape=\(2,\)"),
        (np.ones((0, 2)), r"x\.shape=\(0, 2\)"),
        (np.ones((2, 0)), r"x\.shape=\(2, 0\)"),
        (NOT_FINITE, r"2 of 4 values"),
    ],
)
def test_what_is_no_samples(values, received):
    with pytest.raises(ValueError, match=f"`x` must be .*Received: {received}"):
        checks.samples(values, "x")


def test_what_is_no_vectors():
    with pytest.raises(ValueError, match=r"`y` must be .*Received: y\.shape=\(3, 5, 2\)"):
        checks.vectors(np.ones((3, 5, 2)), "y")


def test_a_pair():
    x, y = checks.pair(ONES, np.zeros((5, 2)))
    assert (x.shape, y.shape) == ((3, 2), (5, 2))
    x, y = checks.pair(np.ones((3, 5, 2)), np.ones((4, 5, 2)), checks.samples)
    assert (x.shape, y.shape) == ((3, 5, 2), (4, 5, 2))


@pytest.mark.parametrize(
    ("x", "y", "received"),
    [
        (ONES, np.ones((3, 3)), r"x\.shape=\(3, 2\), y\.shape=\(3, 3\)"),
        (NOT_FINITE, ONES, r"2 of 4 values"),
        (ONES, np.ones((3, 5, 2)), r"y\.shape=\(3, 5, 2\)"),
    ],
)
def test_what_is_no_pair(x, y, received):
    with pytest.raises(ValueError, match=f"Received: {received}"):
        checks.pair(x, y)


class Counted:
    """Rows that count how often they are read."""

    def __init__(self, rows):
        self.rows, self.shape, self.reads = rows, rows.shape, 0

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, key):
        self.reads += 1
        return self.rows[key]


def test_an_indexed_pair_is_not_read():
    x, y = Counted(ONES), Counted(np.ones((4, 2)))
    assert checks.indexed_pair(x, y) == (x, y)
    assert x.reads == y.reads == 0
    (values, _) = checks.indexed_pair([[1.0, 2.0]], ONES)
    np.testing.assert_array_equal(values, [[1.0, 2.0]])


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (np.ones(3), np.ones(3)),
        (ONES, np.ones(2)),
        (ONES, np.ones((3, 3))),
        (ONES, np.ones((0, 2))),
        (np.ones((0, 2)), ONES),
    ],
)
def test_what_is_no_indexed_pair(x, y):
    with pytest.raises(ValueError) as error:
        checks.indexed_pair(x, y)
    assert str(error.value).endswith(f"Received: x.shape={x.shape}, y.shape={y.shape}")


def test_finite_rows():
    rows = Counted(np.arange(10.0).reshape(5, 2))
    np.testing.assert_array_equal(checks.finite_rows(rows, 1, 3), rows.rows[1:3])
    np.testing.assert_array_equal(checks.finite_rows(rows, 3, 9), rows.rows[3:])
    rows.rows[4, 1] = np.nan
    checks.finite_rows(rows, 0, 4)
    with pytest.raises(ValueError, match="must be finite"):
        checks.finite_rows(rows, 3, 5)


def test_numbers():
    checks.positive_integer("n", 1)
    checks.positive_integer("n", np.int64(3))
    checks.positive("c", 1e-300)
    for value in (0, 1.0, "1"):
        with pytest.raises(ValueError, match=f"Received: n={value!r}"):
            checks.positive_integer("n", value)
    for value in (0.0, float("inf"), float("nan"), "1"):
        with pytest.raises(ValueError, match=f"Received: c={value!r}"):
            checks.positive("c", value)
