"""Labelled images in memory, and what every dataset's must satisfy."""

import dataclasses
import typing

import numpy as np
import tensorflow as tf

from harness.errors import UserError

_RESIZED_AT_ONCE = 500


@dataclasses.dataclass(frozen=True, eq=False)
class Images:
    """One split of a dataset.

    Attributes:
        name: name of the dataset.
        split: name of the split.
        images: (n, height, width, channels) in [0, 255]; uint8 as stored, float32 if the values
            are not integral (resized images, and `digits`).
        labels: int64 (n,), from 0 to `num_classes - 1`.
        num_classes: number of classes of the dataset.
    """

    name: str
    split: str
    images: np.ndarray = dataclasses.field(repr=False)
    labels: np.ndarray = dataclasses.field(repr=False)
    num_classes: int


class Kind(typing.NamedTuple):
    """What a dataset's images are: channels, classes, and (height, width) if that is one."""

    channels: int
    num_classes: int
    size: tuple[int, int] | None = None


def resize(images, image_size):
    """Images (..., h, w, c) as float32 (..., image_size, image_size, c), bilinearly."""
    return tf.image.resize(images, [image_size, image_size], method="bilinear")


def resized(images, image_size):
    """The `Images` at another height and width in pixels; themselves at their own, or at None."""
    if image_size is None or images.images.shape[1:3] == (image_size, image_size):
        return images
    count, _, _, channels = images.images.shape
    shape = (count, image_size, image_size, channels)
    pixels = empty_pixels(images.name, images.split, shape, np.float32)
    for start in range(0, count, _RESIZED_AT_ONCE):
        rows = slice(start, start + _RESIZED_AT_ONCE)
        pixels[rows] = resize(images.images[rows], image_size)
    return dataclasses.replace(images, images=pixels)


def empty_pixels(name, split, shape, dtype):
    """An array for the images of a split; raises UserError if there is no memory for it."""
    try:
        return np.empty(shape, dtype)
    except (MemoryError, ValueError) as error:  # ValueError: more bytes than an address can tell.
        size = np.prod(shape, dtype=np.float64) * np.dtype(dtype).itemsize
        raise UserError(
            f"Split {split!r} of dataset {name!r} must fit in memory. Received: {shape[0]} images "
            f"of {'x'.join(map(str, shape[1:]))} values, {size / 1e9:.1f} GB. Take a smaller "
            "--image_size, or, in classify, --augmentation=resized_crop_flip, which reads images "
            "one by one"
        ) from error


def check_split(name, where, split, splits):
    """Raises UserError if the dataset `name`, stored in `where`, has no such split."""
    if split not in splits:
        raise UserError(
            f"Dataset {name!r}{where} has the splits {sorted(splits)}. Received: split={split!r}"
        )


def check_labels(what, count, labels, num_classes):
    """Raises UserError unless `what` has images, at least one, each with a label of a class.

    Args:
        what: names the images, as "Split 'train' of dataset 'mnist' in DIR".
        count: number of images.
        labels: integers (n,).
        num_classes: number of classes.
    """
    rule = f"{what} must have images, each with a label from 0 to {num_classes - 1}."
    if not (count and len(labels) == count):
        raise UserError(f"{rule} Received: {count} images, {len(labels)} labels")
    if labels.min() < 0 or labels.max() >= num_classes:
        raise UserError(f"{rule} Received: labels from {labels.min()} to {labels.max()}")
