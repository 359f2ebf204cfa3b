"""Density and coverage of generated features against real ones, in NumPy and float64.

Around each real feature is a ball that reaches to its k-th nearest neighbour among the other real
ones. Density is the number of real balls that a generated feature is in, on average and over k, and
may be above 1; coverage is the share of real balls that have a generated feature in them. Balls are
around real features alone, so that an outlier among the generated ones is worth nothing.

Reference: Naeem et al., "Reliable Fidelity and Diversity Metrics for Generative Models", ICML 2020,
https://arxiv.org/abs/2002.09797, equations 5 and 6, with k = 5.
"""

import numpy as np

from gan.metrics.neighbours import BLOCK, centered, squared_distances, squared_radii

NEIGHBOURS = 5


def density_coverage(generated, real, neighbours=NEIGHBOURS, block=BLOCK):
    """Computes density and coverage block by block.

    What is outside a ball by no more than the rounding of distances counts as inside, as in
    `gan.metrics.precision_recall`.

    Args:
        generated: (n_g, d), n_g greater than `neighbours`.
        real: (n_r, d), n_r greater than `neighbours`.
        neighbours: k, at least 1.
        block: rows at a time: memory is O(block * (block + d)), besides the rows themselves.

    Returns:
        `(density, coverage)`, floats: from 0 to n_r / k, and in [0, 1].

    Raises:
        ValueError: if an argument is not as above, or a value is not finite.
    """
    generated, real = centered(generated, real, neighbours, block)
    radii = squared_radii(real, neighbours)
    inside, covered = 0, np.zeros(len(radii), bool)
    for mine in generated.blocks:
        rows = generated[mine]
        for theirs in real.blocks:
            hit = squared_distances(rows, real[theirs], least=True) <= radii[theirs]
            inside += np.count_nonzero(hit)
            covered[theirs] |= hit.any(0)
    return float(inside / (neighbours * len(generated))), float(covered.mean())
