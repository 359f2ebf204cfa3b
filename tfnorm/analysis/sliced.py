"""The earth mover's distance along random directions, which needs no optimisation."""

import numpy as np
import tensorflow as tf

from tfnorm.analysis import checks

# Elements of a block of projected samples: some 100 MB with what is made of it.
_BLOCK = 2**22


def sliced_distance(x, y, projections=1000, seed=0):
    """The sliced earth mover's distance, scaled to that of a shift.

    With u uniform on the unit sphere of R^d, and W of the samples' projections on u,

        S = E_u W(u.x, u.y) / E |u_1|.

    A distance on the line is a difference of sorted samples. Without the division it is at most W,
    and smaller the larger d is: of a shift by v it is ||v|| E|u_1|, about ||v|| sqrt(2 / (pi d)).
    S is W for a shift, and for x = c z, y = c' z with z from N(0, I) up to terms of 1/d; of others
    it can be below and above W.

    Args:
        x: samples (n, ...), finite.
        y: samples (m, ...), of the same shape.
        projections: directions to average over. Of a shift v, the relative error is about
            0.76 / sqrt(projections).
        seed: of the directions.

    Returns:
        float. Projections are float32, sums float64.

    Reference: Bonneel et al., "Sliced and Radon Wasserstein Barycenters of Measures", 2015.
    """
    if projections < 1:
        raise ValueError(f"`projections` must be positive. Received: projections={projections}")
    checks.same_shape(x, y)
    dimension = int(np.prod(x.shape[1:]))
    at_once = max(1, _BLOCK // max(len(x), len(y)))
    total, rng = 0.0, np.random.default_rng(seed)
    for start in range(0, projections, at_once):
        directions = rng.standard_normal((dimension, min(at_once, projections - start)))
        directions /= np.linalg.norm(directions, axis=0)
        directions = directions.astype(np.float32)
        total += _distances(_projected(x, directions), _projected(y, directions)).sum()
    return float(total / projections / _mean_coordinate(dimension))


def _projected(samples, directions):
    """(n, ...) on (d, p): sorted, (p, n) float64."""
    size = max(1, _BLOCK // len(directions))
    parts = []
    for start in range(0, len(samples), size):
        rows = samples[start : min(start + size, len(samples))]
        rows = np.reshape(rows, (len(rows), -1)).astype(np.float32, copy=False)
        parts.append(tf.matmul(directions, rows, transpose_a=True, transpose_b=True).numpy())
    return np.sort(np.concatenate(parts, 1), 1).astype(np.float64)


def _distances(x, y):
    """The earth mover's distance of rows (p, n) and (p, m), sorted: (p,)."""
    n, m = x.shape[1], y.shape[1]
    if n == m:
        return abs(x - y).mean(1)
    # The distance is the area between the quantile functions, steps of 1/n and 1/m.
    ends = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)
    starts = ends - np.diff(ends, prepend=0)
    gaps = abs(x[:, starts // m] - y[:, starts // n])
    return gaps @ (np.diff(ends, prepend=0) / (n * m))


def _mean_coordinate(dimension):
    """E |u_1| of u uniform on the unit sphere: Gamma(d/2) / (sqrt(pi) Gamma((d + 1)/2))."""
    half = tf.constant(dimension / 2, tf.float64)
    log = tf.math.lgamma(half) - tf.math.lgamma(half + 0.5)
    return float(tf.exp(log)) / np.sqrt(np.pi)
