"""Measures images for the programs: with progress on the screen, and mistakes in a line."""

import numpy as np
import tensorflow as tf

from gan.metrics.evaluation import evaluate
from gan.metrics.statistics import gather, reference_statistics
from harness.datasets import EncodedImages, taking
from harness.datasets.encoded import load_decoded
from harness.errors import Diverged, UserError, of_memory
from harness.run.actions import Progress


def split_statistics(images, count, features, seed=0, image_size=None):
    """`Statistics` of a random subset of `count` images, that samples are compared with.

    Args:
        images: `Images`, or `EncodedImages`, of which those are read into memory.
        count: their number, or all.
        features: `FeatureNetwork`.
        seed: of the subset.
        image_size: height and width in pixels of encoded images.

    Raises:
        UserError: they cannot be measured.
    """
    name = f"{images.name} {images.split}"
    images = in_memory(_some(images, count, seed), image_size)
    progress = Progress(f"images of {name}")
    try:
        return reference_statistics(images, count, features, progress=progress)
    except (ValueError, tf.errors.OpError) as error:
        said = of_memory(error) or error
        raise UserError(f"The images of {name} cannot be measured: {said}") from error


def in_memory(images, image_size, count=None, seed=0):
    """`Images` as they are; of `EncodedImages` a random subset of `count`, or all, decoded."""
    if not isinstance(images, EncodedImages):
        return images
    if count is not None:
        images = _some(images, count, seed)
    return load_decoded(images, image_size)


def _some(images, count, seed):
    """A random subset of `count` images, of which a line is printed; all if they are no more."""
    there = len(images.labels)
    if count >= there:
        return images
    print(taking.line(f"{images.name} {images.split}", count, there, seed))
    return taking.some(images, count, seed)


def source_statistics(source, count, features, rows, score_count=None, seed=0):
    """`Statistics` of a `Source`, of `count` images or as many as there are, and so of the score.

    Args:
        source: the `Source`, whose images may differ in size where the network resizes them.
        count: number of images.
        features: `FeatureNetwork`.
        rows: images whose features are kept.
        score_count: number of images of the score; None: `count`.
        seed: that the source is shuffled by, to be told.
    """
    batches = features.resizes and source.any_size or source.batches
    if source.count is not None:
        if count < source.count:
            print(taking.line(source.name, count, source.count, seed))
        count = min(count, source.count)
        score_count = score_count and min(score_count, source.count)
    asked = max(count, score_count or count)
    progress = Progress(f"images of {source.name}")
    try:
        return gather(batches(asked), count, source.name, features, rows, progress, score_count)
    except (ValueError, tf.errors.OpError) as error:
        raise UserError(
            f"The images of {source.name} cannot be measured: {of_memory(error) or error}"
        ) from error


def measure_samples(sample, count, reference, features, score_count=None):
    """`evaluate` of `sample(count)`; raises `Diverged` at a sample that is not finite."""
    progress = Progress("generated images")
    try:
        return evaluate(_finite(sample), reference, features, count, progress, score_count)
    except (ValueError, tf.errors.OpError) as error:
        raise UserError(
            f"The generator's samples cannot be measured: {of_memory(error) or error}"
        ) from error


def _finite(sample):
    def checked(count):
        for batch in sample(count):
            if not np.isfinite(batch).all():
                raise Diverged(
                    "The generator's samples have values that are not finite, so that there is no "
                    "distance to measure. A smaller learning rate may help."
                )
            yield batch

    return checked
