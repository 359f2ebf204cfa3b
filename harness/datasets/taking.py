"""Parts of a split's images, in memory or encoded."""

import dataclasses

import numpy as np
import tensorflow as tf

from harness.datasets.identity import of_part
from harness.datasets.in_memory import Images
from harness.errors import UserError


def first(images, count):
    """Takes the first images, or all if `count` is None: what runs began with once."""
    return images if count is None else taken(images, np.arange(_checked(images, count)))


def some(images, count, seed):
    """Takes a random subset, a function of the seed, of `Images` or `EncodedImages`.

    Stored order is often that of classes, of which the first images are of few. All, in their
    order, if `count` is None or the number that there are.
    """
    if count is None or _checked(images, count) == len(images.labels):
        return images
    return taken(images, chosen(len(images.labels), count, seed))


def chosen(there, count, seed):
    """The rows of a random subset, int64 (count,), in random order: a beginning of one order."""
    return np.random.default_rng(seed).permutation(there)[:count]


def line(name, count, there, seed):
    """Says how many of the images that there are were taken."""
    return f"{name}: {count:,} of {there:,} images, seed {seed}."


def _checked(images, count):
    there = len(images.labels)
    if count > there:
        raise UserError(
            f"--train_size is at most the {there} images of {images.name} {images.split}. "
            f"Received: train_size={count}"
        )
    return count


def taken(images, rows):
    """Takes the images with the indices `rows`, int64 (k,), in their order, as they are stored."""
    if isinstance(images, Images):
        fields = {"images": images.images[rows]}
    else:
        with tf.device("CPU:0"):  # Captured once, not a constant in the graph.
            indices = tf.convert_to_tensor(rows)
        fields = {
            "encoded": lambda index: images.encoded(tf.gather(indices, index)),
            "describe": lambda index: images.describe(rows[index]),
        }
    fields["fingerprint"] = of_part(images, rows)
    return dataclasses.replace(images, labels=images.labels[rows], **fields)
