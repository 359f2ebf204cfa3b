"""Labelled images in memory: a whole split as one array."""

import dataclasses

import numpy as np
import tensorflow as tf

from harness.datasets.identity import fingerprint
from harness.errors import UserError

_RESIZED_AT_ONCE = 500


@dataclasses.dataclass(frozen=True, eq=False)
class Images:
    """One split of a dataset, of n images of one size.

    Attributes:
        name: name of the dataset.
        split: name of the split.
        images: (n, height, width, channels) in [0, 255]; uint8 as stored, float32 if the values
            are not integral (resized images, and `digits`).
        labels: int64 (n,), from 0 to `num_classes - 1`.
        num_classes: number of classes of the dataset; None: they have none, and all labels are 0.
        class_names: names of the classes in the order of their numbers; None: they have none.
        fingerprint: of what was resized, see `identity.fingerprint`; None: of these images.
    """

    name: str
    split: str
    images: np.ndarray = dataclasses.field(repr=False)
    labels: np.ndarray = dataclasses.field(repr=False)
    num_classes: int | None
    class_names: tuple[str, ...] | None = dataclasses.field(default=None, repr=False)
    fingerprint: str | None = dataclasses.field(default=None, repr=False)


def resize(images, image_size):
    """Resizes images (..., h, w, c) bilinearly to float32 (..., image_size, image_size, c).

    Where an image gets smaller it is antialiased, as Pillow does: a pixel is of all that it covers.
    The values are not rounded.
    """
    images = tf.convert_to_tensor(images)
    size = [image_size, image_size]

    def smaller():
        return tf.image.resize(images, size, method="bilinear", antialias=True)

    def larger():
        return tf.image.resize(images, size, method="bilinear")

    shrinks = tf.reduce_any(tf.shape(images)[-3:-1] > image_size)
    return tf.cond(shrinks, smaller, larger)


def resized(images, image_size):
    """Resizes `Images` to another height and width in pixels; at their own, or None, they stay."""
    if image_size is None or images.images.shape[1:3] == (image_size, image_size):
        return images
    count, _, _, channels = images.images.shape
    shape = (count, image_size, image_size, channels)
    pixels = empty_pixels(images.name, images.split, shape, np.float32)
    for start in range(0, count, _RESIZED_AT_ONCE):
        rows = slice(start, start + _RESIZED_AT_ONCE)
        pixels[rows] = resize(images.images[rows], image_size)
    return dataclasses.replace(images, images=pixels, fingerprint=fingerprint(images))


def empty_pixels(name, split, shape, dtype):
    """Allocates an array for the images of a split.

    Args:
        name, split: names of the dataset and of the split, for the error.
        shape: (n, height, width, channels).
        dtype: of the array.

    Returns:
        The array, of any values.

    Raises:
        UserError: there is no memory for it.
    """
    try:
        return np.empty(shape, dtype)
    except (MemoryError, ValueError) as error:  # ValueError: more bytes than an address can tell.
        size = np.prod(shape, dtype=np.float64) * np.dtype(dtype).itemsize
        raise UserError(
            f"Split {split!r} of dataset {name!r} must fit in memory. Received: {shape[0]} images "
            f"of {'x'.join(map(str, shape[1:]))} values, {size / 1e9:.1f} GB. Take a smaller "
            "--image_size, or read images one by one: in gan --stream, in classify "
            "--augmentation=resized_crop_flip"
        ) from error
