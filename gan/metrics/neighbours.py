"""Distances of features to their neighbours, block by block, in NumPy and float64.

Distances are |x|^2 + |y|^2 - 2 x.y of rows from which a mean is subtracted.
"""

import numpy as np

from gan.metrics import checks

BLOCK = 1024


def centered(generated, real, neighbours, block):
    """The `Rows` of two sets, minus the mean of the real ones.

    Raises:
        ValueError: if a set has not more rows than `neighbours`, sets differ in their number of
            features, or a value is not finite.
    """
    if neighbours < 1 or block < 1:
        raise ValueError(
            "`neighbours` and `block` must be at least 1. "
            f"Received: neighbours={neighbours}, block={block}"
        )
    generated = checks.rows(generated, "generated", least=neighbours + 1)
    real = checks.rows(real, "real", least=neighbours + 1)
    checks.same_width(generated.shape[1], real.shape[1])
    center = real.mean(0, dtype=np.float64)
    return Rows(generated, center, block), Rows(real, center, block)


class Rows:
    """Rows minus `center`, in float64, a block at a time."""

    def __init__(self, rows, center, size):
        self._rows, self._center = rows, center
        self.blocks = [slice(i, min(i + size, len(rows))) for i in range(0, len(rows), size)]

    def __len__(self):
        return len(self._rows)

    def __getitem__(self, block):
        return self._rows[block] - self._center


def squared_radii(rows, neighbours):
    """Computes (n,): the squared distance of each row from its k-th nearest among the others."""
    nearest = np.full([len(rows), neighbours], np.inf)

    def see(block, squared):
        there_and_new = np.concatenate([nearest[block], squared], 1)
        nearest[block] = np.partition(there_and_new, neighbours - 1, 1)[:, :neighbours]

    for i, mine in enumerate(rows.blocks):
        a = rows[mine]
        own = squared_distances(a, a)
        np.fill_diagonal(own, np.inf)
        see(mine, own)
        for theirs in rows.blocks[i + 1 :]:  # Distances are symmetric: half of them are enough.
            squared = squared_distances(a, rows[theirs])
            see(mine, squared)
            see(theirs, squared.T)
    return np.maximum(nearest.max(1), 0)


def squared_distances(a, b, least=False):
    """Computes (n_a, n_b); if `least`, the least that they can be, but for rounding."""
    # Of an inner product of d terms the error is at most d * eps / 2 times the norms, and a radius
    # has one as well.
    margin = 4 * a.shape[1] * np.finfo(np.float64).eps if least else 0.0
    squared = a @ b.T
    squared *= -2
    squared += (1 - margin) * np.einsum("ij,ij->i", a, a)[:, None]
    squared += (1 - margin) * np.einsum("ij,ij->i", b, b)
    return squared
