"""Metrics of images, from Python: folders, arrays, files, SavedModels and runs on either side.

    from gan import metrics

    metrics.frechet_distance("samples/", "photographs/", features="trunk.keras")

Behind it: arithmetic on features, feature networks, statistics, and sources of images.
"""

from gan.metrics.face import (
    density_coverage,
    frechet_distance,
    inception_score,
    kernel_distance,
    precision_recall,
)

__all__ = [
    "density_coverage",
    "frechet_distance",
    "inception_score",
    "kernel_distance",
    "precision_recall",
]
