"""The exact distance against SciPy in one dimension, every permutation, and its own laws."""

import itertools

import numpy as np
import pytest
import scipy.optimize
import scipy.stats

from tfnorm.analysis.exact import exact_distance

SIZES = [(12, 12), (12, 19), (20, 10), (1, 1), (1, 9)]
every_size = pytest.mark.parametrize("n, m", SIZES)


def draw(n, d=3, seed=0):
    return np.random.default_rng([seed, n, d]).normal(size=(n, d))


@every_size
@pytest.mark.parametrize("scale", [1e-9, 1e-3, 1.0, 1e3, 1e9])
def test_one_dimension(n, m, scale):
    x, y = scale * draw(n, 1), scale * (1.5 * draw(m, 1, seed=1) + 0.2)
    truth = scipy.stats.wasserstein_distance(x[:, 0], y[:, 0])
    assert exact_distance(x, y) == pytest.approx(truth, rel=1e-12)


@pytest.mark.parametrize("copies", [1, 2, 3])
def test_close_points_far_from_each_other_and_from_zero(copies):
    """Squares of norms would leave no digit of it."""
    x = 1e6 + 1e3 * draw(15, 1)
    y = np.repeat(x, copies, 0) + 1e-6 * draw(15 * copies, 1, seed=1)
    truth = scipy.stats.wasserstein_distance(x[:, 0], y[:, 0])
    assert exact_distance(x, y) == pytest.approx(truth, rel=1e-3)


@pytest.mark.parametrize("n, m", [(4, 4), (4, 2)])
def test_close_points_in_clusters(n, m):
    """At the programme's default tolerances, 1e-7, any transport within a cluster would do."""
    centres = draw(12, 1)
    x, y = (
        np.repeat(centres, size, 0) + 1e-8 * draw(12 * size, 1, seed)
        for seed, size in ((1, n), (2, m))
    )
    truth = scipy.stats.wasserstein_distance(x[:, 0], y[:, 0])
    assert exact_distance(x, y) == pytest.approx(truth, rel=1e-6)


def test_best_of_all_permutations():
    x, y = draw(6), draw(6, seed=1)
    truth = min(
        np.mean([np.linalg.norm(x[i] - y[j]) for i, j in enumerate(order)])
        for order in itertools.permutations(range(6))
    )
    assert exact_distance(x, y) == pytest.approx(truth, rel=1e-12)


def test_another_linear_programme():
    x, y = draw(17), 2 * draw(23, seed=1)
    truth = scipy.stats.wasserstein_distance_nd(x, y)
    assert exact_distance(x, y) == pytest.approx(truth, rel=1e-9)


@pytest.mark.parametrize("copies", [1, 3])
def test_a_permutation_has_no_distance(copies):
    x = draw(15)
    permuted = np.random.default_rng(0).permutation(np.repeat(x, copies, 0))
    assert exact_distance(x, permuted) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("copies", [1, 3])
def test_a_shift_is_its_norm(copies):
    x = draw(15)
    y = np.repeat(x, copies, 0) + [3.0, 0.0, -4.0]
    assert exact_distance(x, y) == pytest.approx(5, rel=1e-12)


@every_size
def test_symmetric_and_homogeneous(n, m):
    x, y = draw(n), draw(m, seed=1)
    assert exact_distance(y, x) == pytest.approx(exact_distance(x, y), rel=1e-12)
    assert exact_distance(7 * x, 7 * y) == pytest.approx(7 * exact_distance(x, y), rel=1e-12)


@every_size
def test_both_methods_agree(n, m):
    """A sample twice over is the same distribution, and another size."""
    x, y = draw(n), draw(n, seed=1)
    assert exact_distance(x, np.repeat(y, 2, 0)) == pytest.approx(exact_distance(x, y), rel=1e-10)


@pytest.mark.parametrize("sizes", list(itertools.permutations([8, 8, 13])))
@pytest.mark.parametrize("seed", range(3))
def test_triangle_inequality(sizes, seed):
    x, y, z = (draw(n, seed=10 * seed + i) for i, n in enumerate(sizes))
    assert exact_distance(x, z) <= (exact_distance(x, y) + exact_distance(y, z)) * (1 + 1e-12)


def test_one_point_is_at_the_mean_distance():
    x, y = draw(1), draw(9, seed=1)
    assert exact_distance(x, y) == pytest.approx(np.linalg.norm(x - y, axis=1).mean(), rel=1e-12)


@pytest.mark.parametrize("n, m", [(4, 4), (4, 7)])
def test_all_points_equal(n, m):
    assert exact_distance(np.full((n, 2), 3.0), np.full((m, 2), 3.0)) == 0


def test_float32_counts_as_float64():
    x, y = draw(10).astype(np.float32), draw(14, seed=1).astype(np.float32)
    assert exact_distance(x, y) == exact_distance(x.astype(np.float64), y.astype(np.float64))


NAN = np.array([[1.0, np.nan], [np.inf, 0.0]])


@pytest.mark.parametrize(
    "x, y, received",
    [
        (np.ones(3), np.ones((3, 1)), r"Received: x\.shape=\(3,\)"),
        (np.ones((3, 1)), np.ones((2, 3, 1)), r"Received: y\.shape=\(2, 3, 1\)"),
        (np.ones((0, 2)), np.ones((3, 2)), r"Received: x\.shape=\(0, 2\)"),
        (np.ones((3, 0)), np.ones((3, 0)), r"Received: x\.shape=\(3, 0\)"),
        (np.ones((3, 2)), np.ones((3, 4)), r"Received: x\.shape=\(3, 2\), y\.shape=\(3, 4\)"),
        (np.ones((3, 2)), NAN, r"`y` must be finite\. Received: 2 of 4 values"),
    ],
)
def test_errors(x, y, received):
    with pytest.raises(ValueError, match=received):
        exact_distance(x, y)


def test_a_programme_that_fails_is_an_error(monkeypatch):
    failed = scipy.optimize.OptimizeResult(success=False, message="time is up")
    monkeypatch.setattr(scipy.optimize, "linprog", lambda *args, **options: failed)
    with pytest.raises(RuntimeError, match="Received: time is up"):
        exact_distance(draw(2), draw(3))
