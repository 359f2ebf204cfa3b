"""The checks of the features that a metric is given."""

import numpy as np


def rows(features, name, least=1):
    """Checks that `features` are a finite matrix, and gives them as an array of their own type.

    Args:
        features: (n, d), one row a sample.
        name: of the argument, for the error.
        least: the smallest n.

    Returns:
        The array (n, d).

    Raises:
        ValueError: if it is of another shape, has fewer rows, or is not finite.
    """
    features = np.asarray(features)
    if features.ndim != 2 or not features.shape[1]:
        raise ValueError(f"`{name}` must be (samples, values). Received: {features.shape=}")
    if len(features) < least:
        raise ValueError(f"`{name}` must be at least {least} samples. Received: {features.shape=}")
    finite(features, name)
    return features


def finite(values, name):
    """Raises `ValueError` if a value is not finite."""
    bad = np.size(values) - np.count_nonzero(np.isfinite(values))
    if bad:
        raise ValueError(
            f"`{name}` must be finite. Received: {bad} of {np.size(values)} values are not"
        )


def same_width(width_a, width_b):
    """Raises `ValueError` if two sets differ in their number of features."""
    if width_a != width_b:
        raise ValueError(
            f"Both sets must have the same number of features. Received: {width_a} and {width_b}"
        )
