"""The checks of the features that a metric is given."""

import numpy as np

# Squares of such numbers, and sums of these, are finite in float64. Features are of float32, and
# their covariances far below.
_LARGEST = 1e100


def rows(features, name, least=1):
    """Checks that `features` are a finite matrix, and gives them as an array of their own type.

    Args:
        features: (n, d), one row a sample.
        name: of the argument, for the error.
        least: the smallest n.

    Returns:
        The array (n, d).

    Raises:
        ValueError: if it is of another shape, has fewer rows, or is not `finite`.
    """
    features = np.asarray(features)
    if features.ndim != 2 or not features.shape[1]:
        raise ValueError(f"`{name}` must be (samples, values). Received: {features.shape=}")
    if len(features) < least:
        raise ValueError(f"`{name}` must be at least {least} samples. Received: {features.shape=}")
    finite(features, name)
    return features


def finite(values, name):
    """Raises `ValueError` if a value is not finite, or so large that a distance of it is not."""
    bad = np.size(values) - np.count_nonzero(np.isfinite(values))
    if bad:
        raise ValueError(
            f"`{name}` must be finite. Received: {bad} of {np.size(values)} values are not"
        )
    largest = max(abs(float(np.max(values))), abs(float(np.min(values))))
    if largest > _LARGEST:
        raise ValueError(
            f"`{name}` must have no values beyond {_LARGEST:g}, whose distances are not finite. "
            f"Received: {largest:.3g}"
        )


def covariance(values, name):
    """Raises `ValueError` if a matrix (d, d), `finite`, is the covariance of nothing.

    What rounding in float32 makes of the covariance of few samples, which has variances of zero,
    is one still: its eigenvalues are below zero by up to some 1e-5 of the largest.
    """
    size = np.linalg.norm(values)
    asymmetry = np.max(np.abs(values - values.T))
    if asymmetry > 1e-6 * np.max(np.abs(values)):
        raise ValueError(f"`{name}` must be symmetric. Received: {asymmetry=:.3g}")
    least = np.min(np.diagonal(values))
    if least >= 0 and size > 0:
        try:  # A fraction of the time that eigenvalues take.
            np.linalg.cholesky(values / size + 1e-4 * np.eye(len(values)))
        except np.linalg.LinAlgError:
            least = np.linalg.eigvalsh(values)[0]
    if least < 0:
        raise ValueError(f"`{name}` must have no variance below zero. Received: {least:.3g}")


def same_width(width_a, width_b):
    """Raises `ValueError` if two sets differ in their number of features."""
    if width_a != width_b:
        raise ValueError(
            f"Both sets must have the same number of features. Received: {width_a} and {width_b}"
        )
