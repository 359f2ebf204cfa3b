"""Measures images for the programs: with progress on the screen, and mistakes in a line."""

import numpy as np
import tensorflow as tf

from gan.metrics.evaluation import evaluate
from gan.metrics.statistics import gather, reference_statistics
from harness.errors import Diverged, UserError
from harness.run.actions import Progress


def split_statistics(images, count, features):
    """`Statistics` of `Images`, the first `count`, that samples are compared with."""
    progress = Progress(f"images of {images.name} {images.split}")
    try:
        return reference_statistics(images, count, features, progress=progress)
    except (ValueError, tf.errors.OpError) as error:
        raise UserError(
            f"The images of {images.name} {images.split} cannot be measured: {error}"
        ) from error


def source_statistics(source, count, features, rows, score_count=None):
    """`Statistics` of a `Source`, of `count` images or as many as there are, and so of the score.

    They may differ in size where the network brings them to one.
    """
    batches = features.resizes and source.any_size or source.batches
    if source.count is not None:
        count = min(count, source.count)
        score_count = score_count and min(score_count, source.count)
    asked = max(count, score_count or count)
    progress = Progress(f"images of {source.name}")
    try:
        return gather(batches(asked), count, source.name, features, rows, progress, score_count)
    except (ValueError, tf.errors.OpError) as error:
        raise UserError(f"The images of {source.name} cannot be measured: {error}") from error


def measure_samples(sample, count, reference, features, score_count=None):
    """`evaluate` of `sample(count)`; raises `Diverged` at a sample that is not finite."""
    progress = Progress("generated images")
    try:
        return evaluate(_finite(sample), reference, features, count, progress, score_count)
    except (ValueError, tf.errors.OpError) as error:
        raise UserError(f"The generator's samples cannot be measured: {error}") from error


def _finite(sample):
    def checked(count):
        for batch in sample(count):
            if not np.isfinite(batch).all():
                raise Diverged("The generator's samples are not finite: there is no distance.")
            yield batch

    return checked
