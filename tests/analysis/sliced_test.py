"""The sliced distance against SciPy along each direction, and against distances that are known."""

import numpy as np
import pytest
from scipy import stats

from tfnorm.analysis.exact import exact_distance
from tfnorm.analysis.sliced import sliced_distance

RNG = np.random.default_rng(0)


def by_scipy(x, y, projections, seed):
    """Of the same directions, all drawn at once, with E |u_1| from other directions."""
    directions = np.random.default_rng(seed).standard_normal((x.shape[1], projections))
    directions /= np.linalg.norm(directions, axis=0)
    columns = zip((x @ directions).T, (y @ directions).T, strict=True)
    distances = [stats.wasserstein_distance(*each) for each in columns]
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
    np.testing.assert_allclose(sliced_distance(x, y, 200), whole, rtol=0.1)


def test_errors():
    x = np.zeros((4, 3))
    with pytest.raises(ValueError, match="Received: projections=0"):
        sliced_distance(x, x, 0)
    with pytest.raises(ValueError, match=r"Received: x.shape=\(4, 3\), y.shape=\(4, 2\)"):
        sliced_distance(x, x[:, :2])
    with pytest.raises(ValueError, match=r"y.shape=\(0, 3\)"):
        sliced_distance(x, x[:0])
