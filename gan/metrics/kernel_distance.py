"""The kernel distance (KID) between two sets of features, in NumPy and float64.

It is the squared maximum mean discrepancy under the kernel k(x, y) = (x.y / d + 1)^3 of features
with d dimensions, estimated without bias:

    mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean_{i, j} k(x_i, y_j)

Being unbiased, it is negative at times for sets that are alike.

Reference: Bińkowski et al., "Demystifying MMD GANs", ICLR 2018, https://arxiv.org/abs/1801.01401,
section 4. The estimate: Gretton et al., "A Kernel Two-Sample Test", JMLR 13, 2012,
https://jmlr.org/papers/v13/gretton12a.html, equation 3.
"""

import numpy as np

from gan.metrics import checks

SUBSETS = 100
SUBSET_SIZE = 1000


def kernel_distance(features_a, features_b, subsets=SUBSETS, subset_size=SUBSET_SIZE, seed=0):
    """Computes mean and deviation of `squared_mmd` over random subsets, as the paper reports it.

    A subset is `subset_size` rows of each set, or as many as the smaller set has, drawn without
    replacement; different subsets share rows. So the deviation is that of an estimate from so few
    rows; the mean is nearer to the truth.

    Args:
        features_a: (n_a, d), n_a at least 2.
        features_b: (n_b, d), n_b at least 2.
        subsets: number of subsets, at least 1.
        subset_size: rows of each set in a subset, at least 2.
        seed: of the draws.

    Returns:
        `(mean, deviation)`, floats. Where a subset is both sets as they are, there is but one, and
        the deviation is NaN; as it is if `subsets` is 1.

    Raises:
        ValueError: if an argument is not as above, or a value is not finite.
    """
    if subsets < 1 or subset_size < 2:
        raise ValueError(
            "`subsets` must be at least 1 and `subset_size` at least 2. "
            f"Received: subsets={subsets}, subset_size={subset_size}"
        )
    features_a = checks.rows(features_a, "features_a", least=2)
    features_b = checks.rows(features_b, "features_b", least=2)
    size = min(subset_size, len(features_a), len(features_b))
    if size == len(features_a) == len(features_b):
        subsets = 1
    random = np.random.default_rng(seed)
    estimates = [
        squared_mmd(_draw(random, features_a, size), _draw(random, features_b, size))
        for _ in range(subsets)
    ]
    deviation = np.std(estimates, ddof=1) if subsets > 1 else np.nan
    return float(np.mean(estimates)), float(deviation)


def squared_mmd(features_a, features_b):
    """Estimates the squared maximum mean discrepancy without bias, see above.

    Args:
        features_a: (n_a, d), n_a at least 2.
        features_b: (n_b, d), n_b at least 2.

    Returns:
        A float, of either sign.

    Raises:
        ValueError: if shapes do not match, a set has fewer than two rows, or a value is not finite.
    """
    a = checks.rows(features_a, "features_a", least=2).astype(np.float64)
    b = checks.rows(features_b, "features_b", least=2).astype(np.float64)
    checks.same_width(a.shape[1], b.shape[1])
    with np.errstate(over="ignore", invalid="ignore"):  # which is told below
        squared = _mean_of_pairs(a) + _mean_of_pairs(b) - 2 * np.mean(_kernel(a, b))
    if not np.isfinite(squared):
        raise ValueError(
            "The kernel distance must be finite: the features are too large for the cubes of their "
            f"products. Received: {squared}"
        )
    return float(squared)


def _mean_of_pairs(rows):
    values = _kernel(rows, rows)
    np.fill_diagonal(values, 0)
    return np.sum(values) / (len(rows) * (len(rows) - 1))


def _kernel(a, b):
    values = a @ b.T
    values /= a.shape[1]
    values += 1
    cubes = values * values
    cubes *= values
    return cubes


def _draw(random, rows, size):
    if size == len(rows):
        return rows
    return rows[random.choice(len(rows), size, replace=False)]
