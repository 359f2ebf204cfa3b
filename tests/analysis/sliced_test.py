"""The sliced distance against SciPy along each direction, and against distances that are known."""

import numpy as np
import pytest
from scipy import stats

from tfnorm.analysis.exact import exact_distance
from tfnorm.analysis.sliced import _STREAM, sliced_distance

RNG = np.random.default_rng(0)


def by_scipy(x, y, projections, seed):
    """The distance along the same directions, drawn at once, with E |u_1| from other directions."""
    directions = np.random.default_rng([_STREAM, seed]).standard_normal((projections, x.shape[1]))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    columns = zip(directions @ x.T, directions @ y.T, strict=True)
    distances = [stats.wasserstein_distance(*column) for column in columns]
    others = np.random.default_rng(1).standard_normal((100_000, x.shape[1]))
    coordinate = abs(others[:, 0] / np.linalg.norm(others, axis=1)).mean()
    return np.mean(distances) / coordinate


@pytest.mark.parametrize("n, m", [(7, 7), (6, 9), (1, 5), (40, 33)])
@pytest.mark.parametrize("d", [1, 3, 20])
def test_scipy(n, m, d):
    x, y = RNG.standard_normal((n, d)), 2 * RNG.standard_normal((m, d)) + 1
    expected = by_scipy(x, y, 50, 3)
    np.testing.assert_allclose(sliced_distance(x, y, 50, 3), expected, rtol=0.02)


def test_line():
    x, y = RNG.standard_normal((50, 1)), RNG.standard_normal((50, 1)) + 0.3
    np.testing.assert_allclose(sliced_distance(x, y, 5), exact_distance(x, y), rtol=1e-6)


@pytest.mark.parametrize("shape", [(500,), (4, 5, 8)])
def test_shift(shape):
    x, v = RNG.standard_normal((100, *shape)), RNG.standard_normal(shape)
    np.testing.assert_allclose(sliced_distance(x + v, x, 4000), np.linalg.norm(v), rtol=0.04)
    assert sliced_distance(x, x) == 0


def test_scaled_gaussians():
    # W is |1.5 - 1| E ||z||, attained by f(x) = ||x|| and by the map x to 1.5 x.
    z = RNG.standard_normal((400, 300))
    expected = 0.5 * np.linalg.norm(z, axis=1).mean()
    np.testing.assert_allclose(sliced_distance(1.5 * z, z), expected, rtol=0.02)


def test_blocks(monkeypatch):
    x, y = RNG.standard_normal((40, 6)), RNG.standard_normal((40, 6)) + 1
    whole = sliced_distance(x, y, 200)
    monkeypatch.setattr("tfnorm.analysis.sliced._BLOCK", 100)
    np.testing.assert_allclose(sliced_distance(x, y, 200), whole, rtol=1e-12)


def test_directions_are_none_of_the_data():
    v = np.random.default_rng(3).standard_normal(5_000)
    x = np.zeros((2, 5_000))
    np.testing.assert_allclose(sliced_distance(x + v, x, 50, 3), np.linalg.norm(v), rtol=0.3)


def test_small_shift_of_large_values():
    x = 1e4 + RNG.standard_normal((60, 256))
    np.testing.assert_allclose(sliced_distance(x + 1e-6, x, 4000), 16e-6, rtol=0.04)


def test_errors():
    x = np.zeros((4, 3))
    for projections in (0, 2.5):
        with pytest.raises(ValueError, match=f"Received: projections={projections}"):
            sliced_distance(x, x, projections)
    with pytest.raises(ValueError, match="Received: values that are not"):
        sliced_distance(x, x + np.nan)
    with pytest.raises(ValueError, match=r"x.shape=\(4,\), y.shape=\(4,\)"):
        sliced_distance(x[:, 0], x[:, 0])
    assert sliced_distance(x.tolist(), (x + 1).tolist()) > 0
    with pytest.raises(ValueError, match=r"Received: x.shape=\(4, 3\), y.shape=\(4, 2\)"):
        sliced_distance(x, x[:, :2])
    with pytest.raises(ValueError, match=r"y.shape=\(0, 3\)"):
        sliced_distance(x, x[:0])
