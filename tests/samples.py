"""Inputs of which the statistics are known, and bounded, before they are drawn."""

import numpy as np


def rotation(size, seed=0):
    """A random orthogonal matrix (size, size)."""
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))[0]


def covariance(eigenvalues, seed=0):
    """A matrix (c, c) with these eigenvalues and random eigenvectors."""
    u = rotation(len(eigenvalues), seed)
    return (u * eigenvalues) @ u.T


def rows(n, eigenvalues, mean=0.0, seed=0):
    """n rows, n > c, of which mean and covariance (divided by n) are exactly these.

    The covariance is that of the same name and seed.
    """
    c = len(eigenvalues)
    raw = np.random.default_rng(seed + 1).normal(size=(n, c))
    basis = np.linalg.qr(raw - raw.mean(0))[0]
    return np.sqrt(n) * (basis * np.sqrt(eigenvalues)) @ rotation(c, seed).T + mean


# Rows (n, 5) at which a gradient is easy to get wrong.
RNG = np.random.default_rng(7)
GENERIC = rows(9, [2.0, 1.2, 0.7, 0.3, 0.1], mean=1.0)


def _with(columns, values):
    x = GENERIC.copy()
    x[:, columns] = values
    return x


CASES = {
    "generic": GENERIC,
    "repeated eigenvalues": rows(9, [2.0, 1.0, 1.0, 1.0, 0.3]),
    "fewer rows than channels": RNG.normal(size=(3, 5)),
    "two rows": RNG.normal(size=(2, 5)),
    "constant": np.full((6, 5), 3.0),
    "one dead channel": _with([2], 0.0),
    "dead channels": _with([1, 3], 4.0),
    "duplicate channels": _with([4], GENERIC[:, :1]),
}
