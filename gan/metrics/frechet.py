"""The Fréchet distance between two sets of features, in NumPy and float64.

Of two Gaussians with means m and covariances S (Dowson & Landau, 1982; of the features of images:
Heusel et al., 2017, equation 6):

    d = |m_a - m_b|^2 + tr(S_a) + tr(S_b) - 2 tr((S_a S_b)^{1/2})

This is the squared distance, as in the literature on generative models. Covariances are unbiased.
"""

import numpy as np


def moments(features):
    """Mean and unbiased covariance of the rows of `features`.

    Args:
        features: (n, d), one row a sample, n at least 2, finite.

    Returns:
        mean, float64 (d,), and covariance, float64 (d, d), over n - 1.

    Raises:
        ValueError: if `features` are of another shape, fewer than two, or not finite.
    """
    mean, centered = _centered(features)
    covariance = centered.T @ centered / (len(centered) - 1)
    return mean, covariance


def trace_sqrt_product(cov_a, cov_b):
    """tr((S_a S_b)^{1/2}) of two covariances, float64 (d, d), positive semidefinite.

    S_a S_b has the eigenvalues of the symmetric S_a^{1/2} S_b S_a^{1/2}; the square roots of those
    are summed. Eigenvalues that are zero but for rounding count as zero: their square roots, of
    about 1e-8, would otherwise add up.
    """
    values, vectors = np.linalg.eigh(cov_a)
    root = (vectors * np.sqrt(_nonnegative(values))) @ vectors.T
    product = root @ cov_b @ root
    return float(np.sum(np.sqrt(_nonnegative(np.linalg.eigvalsh((product + product.T) / 2)))))


def frechet_distance(mean_a, cov_a, mean_b, cov_b):
    """The Fréchet distance (squared, see above) between two Gaussians.

    Args:
        mean_a, mean_b: (d,).
        cov_a, cov_b: (d, d), symmetric.

    Returns:
        The distance, a float of at least 0.

    Raises:
        ValueError: if shapes do not match, or a value is not finite, or a covariance is not
            symmetric.
    """
    mean_a, cov_a = _gaussian(mean_a, cov_a, "a")
    mean_b, cov_b = _gaussian(mean_b, cov_b, "b")
    _same_width(len(mean_a), len(mean_b))
    trace = trace_sqrt_product(cov_a, cov_b)
    return _distance(mean_a, np.trace(cov_a), mean_b, np.trace(cov_b), trace)


def frechet_distance_of_features(features_a, features_b):
    """`frechet_distance` of the moments of two sets of features.

    Where a set has fewer rows than features, without forming a covariance: with the centred rows X

        tr((S_a S_b)^{1/2}) = |X_a X_b^T|_* / sqrt((n_a - 1)(n_b - 1)),

    the nuclear norm, which is faster there and keeps all digits.

    Args:
        features_a: (n_a, d), n_a at least 2.
        features_b: (n_b, d), n_b at least 2.

    Returns:
        The distance, a float of at least 0.

    Raises:
        ValueError: if shapes do not match, a set has fewer than two rows, or a value is not finite.
    """
    mean_a, rows_a = _centered(features_a)
    mean_b, rows_b = _centered(features_b)
    _same_width(len(mean_a), len(mean_b))
    if min(len(rows_a), len(rows_b)) >= len(mean_a):
        return frechet_distance(*moments(features_a), *moments(features_b))
    rows_a /= np.sqrt(len(rows_a) - 1)
    rows_b /= np.sqrt(len(rows_b) - 1)
    trace = np.sum(np.linalg.svd(rows_a @ rows_b.T, compute_uv=False))
    return _distance(mean_a, np.sum(rows_a**2), mean_b, np.sum(rows_b**2), trace)


def _distance(mean_a, trace_a, mean_b, trace_b, trace_sqrt):
    squared = np.sum((mean_a - mean_b) ** 2) + trace_a + trace_b - 2 * trace_sqrt
    return float(max(squared, 0.0))  # Equal sets give zero up to rounding, of either sign.


def _nonnegative(values):
    tolerance = len(values) * np.finfo(np.float64).eps * np.max(np.abs(values))
    return np.where(values > tolerance, values, 0.0)


def _centered(features):
    features = np.asarray(features, np.float64)
    if features.ndim != 2 or features.shape[1] == 0:
        raise ValueError(f"`features` must be (samples, features). Received: {features.shape=}")
    if len(features) < 2:
        raise ValueError(f"A covariance needs at least two samples. Received: {features.shape=}")
    _finite(features, "features")
    mean = features.mean(0)
    return mean, features - mean


def _gaussian(mean, covariance, which):
    mean, covariance = np.asarray(mean, np.float64), np.asarray(covariance, np.float64)
    if mean.ndim != 1 or mean.size == 0 or covariance.shape != (mean.size, mean.size):
        raise ValueError(
            f"`mean_{which}` must be (d,) and `cov_{which}` (d, d). "
            f"Received: {mean.shape=}, {covariance.shape=}"
        )
    _finite(mean, f"mean_{which}")
    _finite(covariance, f"cov_{which}")
    asymmetry = np.max(np.abs(covariance - covariance.T))
    if asymmetry > 1e-6 * np.max(np.abs(covariance)):
        raise ValueError(f"`cov_{which}` must be symmetric. Received: {asymmetry=:.3g}")
    return mean, covariance


def _finite(values, name):
    bad = np.size(values) - np.count_nonzero(np.isfinite(values))
    if bad:
        raise ValueError(
            f"`{name}` must be finite. Received: {bad} of {np.size(values)} values are not"
        )


def _same_width(width_a, width_b):
    if width_a != width_b:
        raise ValueError(
            f"Both sets must have the same number of features. Received: {width_a} and {width_b}"
        )
