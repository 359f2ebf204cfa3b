"""Precision and recall of generated features against real ones, in NumPy and float64.

The manifold of a set of features is estimated by balls, one around each feature, that reach to its
k-th nearest neighbour among the others. Precision is the share of generated features in the balls
of the real ones, recall the share of real features in the balls of the generated. Balls shrink as
sets grow: compare scores of equal counts.

Reference: Kynkäänniemi et al., "Improved Precision and Recall Metric for Assessing Generative
Models", NeurIPS 2019, https://arxiv.org/abs/1904.06991, equations 1 and 2, with k = 3.
"""

import numpy as np

from gan.metrics.neighbours import BLOCK, centered, squared_distances, squared_radii

NEIGHBOURS = 3


def precision_recall(generated, real, neighbours=NEIGHBOURS, block=BLOCK):
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
    generated, real = centered(generated, real, neighbours, block)
    generated_radii = squared_radii(generated, neighbours)
    real_radii = squared_radii(real, neighbours)
    precise = np.zeros(len(generated_radii), bool)
    recalled = np.zeros(len(real_radii), bool)
    for mine in generated.blocks:
        rows = generated[mine]
        for theirs in real.blocks:
            squared = squared_distances(rows, real[theirs], least=True)
            precise[mine] |= (squared <= real_radii[theirs]).any(1)
            recalled[theirs] |= (squared <= generated_radii[mine, None]).any(0)
    return float(precise.mean()), float(recalled.mean())
