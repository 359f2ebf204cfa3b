"""Labelled images as encoded files, read one by one: for a split that does not fit in memory."""

import dataclasses
import typing

import numpy as np
import tensorflow as tf

from harness.datasets.damage import reason
from harness.datasets.decoding import RULE, decode
from harness.datasets.flow import ahead, mapped
from harness.datasets.identity import fingerprint
from harness.datasets.in_memory import Images, empty_pixels, resize
from harness.errors import UserError


@dataclasses.dataclass(frozen=True, eq=False)
class EncodedImages:
    """One split of a dataset, of n images of any size, read by their indices from 0 to n - 1.

    Attributes:
        name: name of the dataset.
        split: name of the split.
        labels: int64 (n,), from 0 to `num_classes - 1`.
        num_classes: number of classes of the dataset; None: they have none, and all labels are 0.
        channels: channels of a decoded image, see `decode`.
        encoded: function of an index, a scalar int64 tensor, to a scalar string tensor, the bytes
            of the image file; for use in `tf.data.Dataset.map`.
        describe: function of an index, an integer, to where that image is stored, in words.
        class_names: names of the classes in the order of their numbers; None: they have none.
        fingerprint: of what was resized, see `identity.fingerprint`; None: of these images.
    """

    name: str
    split: str
    labels: np.ndarray = dataclasses.field(repr=False)
    num_classes: int | None
    channels: int
    encoded: typing.Callable = dataclasses.field(repr=False)
    describe: typing.Callable = dataclasses.field(repr=False)
    class_names: tuple[str, ...] | None = dataclasses.field(default=None, repr=False)
    fingerprint: str | None = dataclasses.field(default=None, repr=False)

    def contents(self, indices):
        """Yields the bytes of some files; raises `UserError` at one that cannot be read."""
        return _read_in_order(self, self.encoded, indices, None)


def check_images(images, indices=None, progress=None):
    """Reads and decodes images, to name the damaged one on which a training step failed.

    Args:
        images: `EncodedImages`.
        indices: integers (k,), the images to check, as those of one batch; None is all.
        progress: called with (done, k), counts of images.

    Raises:
        UserError: an image cannot be read or decoded; the first such is named.
    """

    def pixels(index):
        return tf.size(decode(images.encoded(index), images.channels))

    for _ in _read_in_order(images, pixels, indices, progress):
        pass


def at_size(images, index, image_size):
    """Reads an image in a graph: float32 (size, size, channels), and whether it is as stored."""
    image = decode(images.encoded(index), images.channels)
    stored = tf.reduce_all(tf.shape(image)[:2] == image_size)
    return resize(image, image_size), stored


def load_decoded(images, image_size, progress=None):
    """Reads `EncodedImages` into memory as `Images`, resized bilinearly to one height and width.

    Args:
        images: `EncodedImages`.
        image_size: height and width in pixels.
        progress: called with (done, n), counts of images.

    Returns:
        `Images`: uint8 if all have that size as stored, else float32.
    """
    shape = (len(images.labels), image_size, image_size, images.channels)

    def read(index):
        return at_size(images, index, image_size)

    pixels = empty_pixels(images.name, images.split, shape, np.uint8)
    for row, (image, stored) in enumerate(_read_in_order(images, read, None, progress)):
        if not stored and pixels.dtype == np.uint8:
            whole, pixels = pixels, empty_pixels(images.name, images.split, shape, np.float32)
            pixels[:row] = whole[:row]
        pixels[row] = image
    return Images(
        images.name,
        images.split,
        pixels,
        images.labels,
        images.num_classes,
        images.class_names,
        fingerprint(images),
    )


def _read_in_order(images, read, indices, progress):
    """Yields `read(index)` of the indices in order, as NumPy; an error names the image."""
    indices = np.arange(len(images.labels)) if indices is None else np.asarray(indices)
    indices = indices.astype(np.int64)
    dataset = tf.data.Dataset.from_tensor_slices(indices)
    elements = ahead(mapped(dataset, read)).as_numpy_iterator()
    for done, index in enumerate(indices, 1):
        try:
            element = next(elements)
        except tf.errors.OpError as error:
            if not isinstance(error, tf.errors.InvalidArgumentError):
                where = images.describe(index)
                raise UserError(f"{where} cannot be read: {reason(error)}") from error
            raise UserError(
                f"{images.describe(index)} must be {RULE}. Received: "
                f"{reason(error).removeprefix('ValueError: ')}. Replace it, or delete it"
            ) from error
        yield element
        if progress is not None:
            progress(done, len(indices))
