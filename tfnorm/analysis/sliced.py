"""The earth mover's distance along random directions, which needs no optimisation."""

import math

import numpy as np
import numpy.typing as npt

from tfnorm.analysis import checks

# Elements of a block of samples or directions: 32 MB.
_BLOCK = 2**22

# Separates directions from data that are drawn by the same seed, and would be among them.
_STREAM = 0x736C6963


def sliced_distance(
    x: checks.Samples | npt.ArrayLike,
    y: checks.Samples | npt.ArrayLike,
    projections: int = 1000,
    seed: int = 0,
) -> float:
    """Estimates the sliced earth mover's distance, scaled to that of a shift.

    With u uniform on the unit sphere of R^d, and W of the samples' projections on u,

        S = E_u W(u.x, u.y) / E |u_1|.

    A distance on the line is a difference of sorted samples. Without the division it is at most W,
    and smaller the larger d is: of a shift by v it is ||v|| E|u_1|, about ||v|| sqrt(2 / (pi d)).
    S is W for a shift, and between positive multiples c z and c' z of z from N(0, I); of others it
    can be below and above W.

    ```python
    from tfnorm.analysis.sliced import sliced_distance

    x = np.random.normal(size=(100, 8, 8, 2))
    distance = sliced_distance(x + 0.5, x)
    assert np.isclose(distance, 0.5 * np.sqrt(8 * 8 * 2), rtol=0.1)
    ```

    Args:
        x: samples (n, ...), finite.
        y: samples (m, ...), of the same shape.
        projections: directions to average over. Of a shift, the relative error is about
            0.76 / sqrt(projections).
        seed: of the directions, the same for any n and m.

    Returns:
        float, of float64 computations.

    Reference: Bonneel et al., "Sliced and Radon Wasserstein Barycenters of Measures", Journal of
    Mathematical Imaging and Vision, 2015, https://doi.org/10.1007/s10851-014-0506-3.
    """
    checks.positive_integer("projections", projections)
    x, y = checks.indexed_pair(x, y)
    dimension = int(np.prod(x.shape[1:]))
    at_once = max(1, _BLOCK // max(len(x), len(y), dimension))
    total, rng = 0.0, np.random.default_rng([_STREAM, seed])
    for start in range(0, projections, at_once):
        directions = rng.standard_normal((min(at_once, projections - start), dimension))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        total += _distances(_projected(x, directions), _projected(y, directions)).sum()
    return float(total / projections / _mean_coordinate(dimension))


def _projected(samples: checks.Samples, directions: np.ndarray) -> np.ndarray:
    """(n, ...) on (p, d): sorted, (p, n)."""
    size = max(1, _BLOCK // directions.shape[1])
    parts = []
    for start in range(0, len(samples), size):
        rows = checks.finite_rows(samples, start, start + size)
        parts.append(directions @ rows.reshape(len(rows), -1).T.astype(np.float64))
    return np.sort(np.concatenate(parts, 1), 1)


def _distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The earth mover's distance of rows (p, n) and (p, m), sorted: (p,)."""
    n, m = x.shape[1], y.shape[1]
    if n == m:
        return abs(x - y).mean(1)
    # The distance is the area between the quantile functions, steps of 1/n and 1/m.
    ends = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)
    starts = ends - np.diff(ends, prepend=0)
    gaps = abs(x[:, starts // m] - y[:, starts // n])
    return gaps @ (np.diff(ends, prepend=0) / (n * m))


def _mean_coordinate(dimension: int) -> float:
    """E |u_1| of u uniform on the unit sphere: Gamma(d/2) / (sqrt(pi) Gamma((d + 1)/2))."""
    return math.exp(math.lgamma(dimension / 2) - math.lgamma((dimension + 1) / 2)) / math.sqrt(
        math.pi
    )
