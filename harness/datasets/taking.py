"""Parts of a split's images, in memory or encoded."""

import dataclasses

import tensorflow as tf

from harness.datasets.in_memory import Images
from harness.errors import UserError


def first(images, count):
    """Takes the first images, or all if `count` is None, of `Images` or `EncodedImages`."""
    if count is None:
        return images
    there = len(images.labels)
    if count > there:
        raise UserError(
            f"--train_size is at most the {there} images of {images.name} {images.split}. "
            f"Received: train_size={count}"
        )
    fields = {"labels": images.labels[:count]}
    if isinstance(images, Images):
        fields["images"] = images.images[:count]
    return dataclasses.replace(images, **fields)


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
    return dataclasses.replace(images, labels=images.labels[rows], **fields)
