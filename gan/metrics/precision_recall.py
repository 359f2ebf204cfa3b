"""Precision and recall of generated features against real ones, in NumPy and float64.

The manifold of a set of features is estimated by balls, one around each feature, that reach to its
k-th nearest neighbour among the others. Precision is the share of generated features in the balls
of the real ones, recall the share of real features in the balls of the generated. Balls shrink as
sets grow: compare scores of equal counts.

Reference: Kynkäänniemi et al., "Improved Precision and Recall Metric for Assessing Generative
Models", NeurIPS 2019, https://arxiv.org/abs/1904.06991, equations 1 and 2, with k = 3.
"""

import numpy as np

from gan.metrics import checks

NEIGHBOURS = 3
_BLOCK = 1024


def precision_recall(generated, real, neighbours=NEIGHBOURS, block=_BLOCK):
    """Computes precision and recall block by block.

    Distances are |x|^2 + |y|^2 - 2 x.y of rows from which the real mean is subtracted, in float64.
    What is outside a ball by no more than their rounding counts as inside, so that a row is in its
    own ball, and in that of a duplicate, whose radius may be zero.

    Args:
        generated: (n_g, d), n_g greater than `neighbours`.
        real: (n_r, d), n_r greater than `neighbours`.
        neighbours: k, at least 1.
        block: rows at a time: memory is O(block * (block + d)), besides the rows themselves.

    Returns:
        `(precision, recall)`, floats in [0, 1].

    Raises:
        ValueError: if an argument is not as above, or a value is not finite.
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
    generated, real = _Rows(generated, center, block), _Rows(real, center, block)
    generated_radii = _squared_radii(generated, neighbours)
    real_radii = _squared_radii(real, neighbours)
    precise = np.zeros(len(generated_radii), bool)
    recalled = np.zeros(len(real_radii), bool)
    for mine in generated.blocks:
        rows = generated[mine]
        for theirs in real.blocks:
            squared = _squared_distances(rows, real[theirs], least=True)
            precise[mine] |= (squared <= real_radii[theirs]).any(1)
            recalled[theirs] |= (squared <= generated_radii[mine, None]).any(0)
    return float(precise.mean()), float(recalled.mean())


class _Rows:
    """Rows minus `center`, in float64, a block at a time."""

    def __init__(self, rows, center, size):
        self._rows, self._center = rows, center
        self.blocks = [slice(i, min(i + size, len(rows))) for i in range(0, len(rows), size)]

    def __len__(self):
        return len(self._rows)

    def __getitem__(self, block):
        return self._rows[block] - self._center


def _squared_radii(rows, neighbours):
    """Computes (n,): the squared distance of each row from its k-th nearest among the others."""
    nearest = np.full([len(rows), neighbours], np.inf)

    def see(block, squared):
        there_and_new = np.concatenate([nearest[block], squared], 1)
        nearest[block] = np.partition(there_and_new, neighbours - 1, 1)[:, :neighbours]

    for i, mine in enumerate(rows.blocks):
        a = rows[mine]
        own = _squared_distances(a, a)
        np.fill_diagonal(own, np.inf)
        see(mine, own)
        for theirs in rows.blocks[i + 1 :]:  # Distances are symmetric: half of them are enough.
            squared = _squared_distances(a, rows[theirs])
            see(mine, squared)
            see(theirs, squared.T)
    return np.maximum(nearest.max(1), 0)


def _squared_distances(a, b, least=False):
    """Computes (n_a, n_b); if `least`, the least that they can be, but for rounding."""
    # Of an inner product of d terms the error is at most d * eps / 2 times the norms, and a radius
    # has one as well.
    margin = 4 * a.shape[1] * np.finfo(np.float64).eps if least else 0.0
    squared = a @ b.T
    squared *= -2
    squared += (1 - margin) * np.einsum("ij,ij->i", a, a)[:, None]
    squared += (1 - margin) * np.einsum("ij,ij->i", b, b)
    return squared
