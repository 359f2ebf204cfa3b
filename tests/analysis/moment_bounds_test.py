"""The bounds by moments against the exact distance, and how near they come."""

import numpy as np
import pytest

from tests import gradients
from tests.analysis.checked import LONG, X, assert_at_most, every_pair
from tfnorm.analysis import moment_bounds
from tfnorm.analysis.exact import exact_distance

# Theorem 1.


@every_pair
def test_moments_bound_from_above(x, y):
    distance, bound = exact_distance(x, y), moment_bounds.moment_upper_bound(x, y)
    assert_at_most(distance, bound)
    # Nor is it further off than its own variances and 2, the means' distance being below W.
    excess = np.var(x, 0).sum() + np.var(y, 0).sum() + 2
    assert_at_most(bound - excess, distance, abs(x).max() + excess)


def test_the_distance_of_means_and_biased_variances_are_added():
    x, y = np.array([[1.0, 2.0]]), np.array([[4.0, 6.0]])
    assert moment_bounds.moment_upper_bound(x, y) == pytest.approx(5 + 2)
    x, y = np.array([[0.0, 0.0], [2.0, 4.0]]), np.array([[1.0, 2.0]])
    assert moment_bounds.moment_upper_bound(x, y) == pytest.approx(1 + 4 + 2)


# Theorem 2.

POWERS = (1, 2, 3, 9)


def printed_witness(x, n, c):
    """f_{n,C} as the theorem prints it, for one sample."""
    total = 0.0
    for value in x:
        total += value**n if abs(value) <= c else (-c) ** n if value < -c else c**n
    return total / (n * c ** (n - 1) * len(x) ** 0.5)


def test_witness_as_printed():
    for n in POWERS:
        for c in (0.5, 20.0):
            witness = moment_bounds.polynomial_witness(LONG, n, c)
            expected = [printed_witness(x, n, c) for x in LONG]
            np.testing.assert_allclose(witness, expected, rtol=1e-12)


@pytest.mark.parametrize("c", [1e-200, 1e200])
def test_witness_where_its_powers_overflow(c):
    witness = moment_bounds.polynomial_witness(c * LONG, 9, c) / c
    np.testing.assert_allclose(witness, moment_bounds.polynomial_witness(LONG, 9, 1.0), rtol=1e-12)


@pytest.mark.parametrize("d", [1, 7])
def test_witness_slopes_are_at_most_1_and_reach_it(d):
    c, rng = 1.3, np.random.default_rng(d)
    starts = rng.uniform(-2 * c, 2 * c, size=(4000, d))
    steps = rng.normal(size=starts.shape) * np.geomspace(1e-3, 10, len(starts))[:, None]
    for n in POWERS:
        ends = (moment_bounds.polynomial_witness(p, n, c) for p in (starts + steps, starts))
        assert_at_most(np.max(abs(np.subtract(*ends)) / np.linalg.norm(steps, axis=1)), 1.0)
        for corner in (np.full(d, 0.999 * c), np.full(d, -0.999 * c)):
            gradient = gradients.by_differences(
                lambda x, n=n: moment_bounds.polynomial_witness([x], n, c)[0], corner
            )
            assert np.linalg.norm(gradient) == pytest.approx(0.999 ** (n - 1), rel=1e-8)


@every_pair
def test_moments_bound_from_below(x, y):
    distance = exact_distance(x, y)
    for n in POWERS:
        for c in (1e-3, 0.8, 5.0, 1e4, 1e9):
            bound = moment_bounds.moment_lower_bound(x, y, n, c)
            assert_at_most(bound, distance, abs(x).max() + abs(y).max())


def test_lower_bound_is_attained_where_the_witness_has_slope_1():
    x, y = np.full((1, 3), 2.0), np.full((1, 3), 2 - 1e-7)
    for n in POWERS:
        for pair in ((x, y), (y, x)):
            bound = moment_bounds.moment_lower_bound(*pair, n, 2.0)
            assert bound == pytest.approx(exact_distance(x, y), rel=1e-6)


def test_lower_bound_of_random_samples_comes_near():
    x, y = 0.5 * X + 10, 0.5 * LONG + 4
    distance = exact_distance(x, y)
    for n, at_least in ((1, 0.95), (2, 0.3), (3, 0.1)):
        bound = moment_bounds.moment_lower_bound(x, y, n, 20.0)
        assert at_least * distance < bound < distance


def test_even_powers_do_not_see_the_sign():
    x = X + 2.0
    bounds = [moment_bounds.moment_lower_bound(x, -x, n, 3.0) for n in (1, 2, 3, 4)]
    assert [bound > 0.1 for bound in bounds] == [True, False, True, False]


# The example.


@pytest.mark.parametrize("d, n", [(1, 1), (5, 2), (5, 3)])
def test_example_is_unbounded(d, n):
    factor = (2**-n - 4**-n) * np.sqrt(d) / n
    for c in (1e-3, 10.0, 1e12):
        x, y = moment_bounds.unbounded_example(30, d, c)
        bound = moment_bounds.unbounded_example_bound(d, n, c)
        assert bound == pytest.approx(factor * c, rel=1e-12)
        by_moments = moment_bounds.moment_lower_bound(x, y, n, c)
        assert 0 < bound < by_moments
        assert_at_most(by_moments, exact_distance(x, y))


def test_example_scales_with_its_size():
    x, y = moment_bounds.unbounded_example(30, 2, 1.0, seed=4)
    scaled_x, scaled_y = moment_bounds.unbounded_example(30, 2, 700.0, seed=4)
    np.testing.assert_allclose(scaled_x, 700 * x, rtol=1e-12)
    np.testing.assert_allclose(scaled_y, 700 * y, rtol=1e-12)
    assert not np.array_equal(moment_bounds.unbounded_example(30, 2, 1.0, seed=5)[0], x)


def test_example_fills_its_cubes():
    x, y = moment_bounds.unbounded_example(20_000, 2, 8.0)
    assert x.shape == y.shape == (20_000, 2)
    for values, low, high in ((x, 4, 8), (y, 0, 2)):
        assert low <= values.min() and values.max() <= high
        np.testing.assert_allclose(values.min(0), low, atol=1e-2)
        np.testing.assert_allclose(values.max(0), high, atol=1e-2)
        np.testing.assert_allclose(values.mean(0), (low + high) / 2, atol=5e-2)
        np.testing.assert_allclose(values.var(0), (high - low) ** 2 / 12, rtol=5e-2)


# Errors.

ONES, MAPS = np.ones((3, 2)), np.ones((3, 5, 2))


@pytest.mark.parametrize(
    "name, arguments, received",
    [
        ("moment_upper_bound", (MAPS, MAPS), r"x\.shape=\(3, 5, 2\)"),
        ("moment_lower_bound", (MAPS, MAPS, 2, 1.0), r"x\.shape=\(3, 5, 2\)"),
        ("moment_lower_bound", (ONES, ONES, -1, 1.0), r"n=-1"),
        ("moment_lower_bound", (ONES, ONES, 2, np.inf), r"c=inf"),
        ("polynomial_witness", (MAPS, 2, 1.0), r"x\.shape=\(3, 5, 2\)"),
        ("polynomial_witness", (ONES, 0, 1.0), r"n=0"),
        ("polynomial_witness", (ONES, 2.5, 1.0), r"n=2\.5"),
        ("polynomial_witness", (ONES, 2, 0.0), r"c=0\.0"),
        ("unbounded_example", (3, 2, -1.0), r"c=-1\.0"),
        ("unbounded_example_bound", (2, 2.0, 1.0), r"n=2\.0"),
        ("unbounded_example_bound", (2, 2, np.nan), r"c=nan"),
        ("unbounded_example_bound", (-3, 2, 1.0), r"d=-3"),
        ("polynomial_witness", (ONES, 2, "a"), "c='a'"),
    ],
)
def test_errors(name, arguments, received):
    with pytest.raises(ValueError, match=f"Received: {received}"):
        getattr(moment_bounds, name)(*arguments)
