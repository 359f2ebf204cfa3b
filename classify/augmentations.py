"""Random variations of training images, as functions of uniform random numbers."""

import math
import typing

import tensorflow as tf

from harness.datasets import decode
from harness.datasets.decoding import is_plain_jpeg

_SHIFT = 1 / 8  # of the height and of the width
_PADDING = 4  # pixels

# Of a resized crop: parts of the image's area, width by height, and tries.
_AREA = (0.08, 1.0)
_ASPECT = (3 / 4, 4 / 3)
_TRIES = 10

# Evaluation shows 224 of 256 pixels along the shorter side.
_WHOLE_TO_CROP = 256 / 224

CHANNELS = 3


def none(images, numbers):
    """Gives the images (b, height, width, channels) as they are; numbers are (b, 0)."""
    return images


def shift_flip(images, numbers):
    """Shifts by up to an eighth of the size, between pixels, and flips left to right.

    The augmentation of unitization: Keras' ImageDataGenerator, which scales first, then shifts
    with bilinear interpolation and fills with 0, then flips. As there, a pixel whose source is
    outside of the image, if only by a part of a pixel, is 0.

    Args:
        images: float32 (b, height, width, channels), scaled.
        numbers: float32 (b, 3) in [0, 1): vertical shift, from -1/8 to 1/8 of the height;
            horizontal shift, of the width; flip, below 1/2.

    Returns:
        As `images`.
    """
    _, height, width, _ = images.shape
    offsets = (2 * numbers[:, :2] - 1) * (_SHIFT * tf.constant([height, width], tf.float32))
    return _moved(images, offsets[:, 0], offsets[:, 1], numbers[:, 2] < 0.5)


def crop_flip(images, numbers):
    """Pads by four black pixels, crops the original size and flips left to right.

    The augmentation of the VGG networks of the paper on stochasticity, where torchvision's
    transforms pad before they scale.

    Args:
        images: (b, height, width, channels) in [0, 255].
        numbers: float32 (b, 3) in [0, 1): top and left edge of the crop, from 0 to 8 pixels;
            flip, below 1/2.

    Returns:
        float32, of the shape of `images`, in [0, 255].
    """
    offsets = tf.floor(numbers[:, :2] * (2 * _PADDING + 1)) - _PADDING
    images = tf.cast(images, tf.float32)
    return _moved(images, offsets[:, 0], offsets[:, 1], numbers[:, 2] < 0.5)


def _moved(images, down, right, flip):
    """Moves images: pixel (y, x) is the source's (y + down, x + right), or (y, -1 - x) of that.

    Two small matrix products cost half of tf.raw_ops.ImageProjectiveTransformV3 on CIFAR, and are
    as exact: at most two weights of a row are not 0.

    Args:
        images: float32 (b, height, width, channels).
        down, right: float32 (b,), in pixels.
        flip: bool (b,), whether it is the latter.

    Returns:
        float32, of the shape of `images`.
    """
    _, height, width, _ = images.shape
    rows = tf.range(height, dtype=tf.float32) + down[:, tf.newaxis]
    columns = tf.range(width, dtype=tf.float32)
    columns = tf.where(flip[:, tf.newaxis], columns[::-1], columns) + right[:, tf.newaxis]
    return tf.einsum(
        "bxw,bywc->byxc",
        _interpolation(columns, width),
        tf.einsum("byh,bhwc->bywc", _interpolation(rows, height), images),
    )


def _interpolation(sources, size):
    """Writes the linear interpolation along an axis as matrices.

    Args:
        sources: float32 (b, k), where each output pixel comes from, in pixels.
        size: pixels of the axis.

    Returns:
        float32 (b, k, size), the weights of the pixels; all 0 outside of [0, size - 1].
    """
    distances = tf.abs(sources[:, :, tf.newaxis] - tf.range(size, dtype=tf.float32))
    inside = (sources >= 0) & (sources <= size - 1)
    return tf.nn.relu(1 - distances) * tf.cast(inside, tf.float32)[:, :, tf.newaxis]


def resized_crop_flip(encoded, numbers, image_size):
    """Crops a part of random size and aspect, resizes it and flips left to right.

    ImageNet's training augmentation. The resized image is not rounded to whole numbers.

    Args:
        encoded: scalar string, the bytes of an image file.
        numbers: float32 (23,) in [0, 1): 22 see `random_window`; flip, below 1/2.
        image_size: height and width in pixels of what is returned.

    Returns:
        float32 (image_size, image_size, 3) in [0, 255].
    """
    image = _decoded(encoded, lambda *size: random_window(*size, numbers[:-1]))
    image = _resized(image, [image_size, image_size])
    return tf.where(numbers[-1] < 0.5, image[:, ::-1], image)


def central_crop(encoded, image_size):
    """Crops the middle of an image whose shorter side is resized to 256/224 of the crop.

    ImageNet's evaluation, with the roundings of torchvision's Resize and CenterCrop; the resized
    image is not rounded to whole numbers.

    Args:
        encoded: scalar string, the bytes of an image file.
        image_size: height and width in pixels of the crop.

    Returns:
        float32 (image_size, image_size, 3) in [0, 255].
    """
    image = _decoded(encoded, lambda height, width: tf.stack([0, 0, height, width]))
    size = tf.shape(image)[:2]
    size = round(image_size * _WHOLE_TO_CROP) * size // tf.reduce_min(size)
    edge = tf.cast(tf.round(tf.cast(size - image_size, tf.float32) / 2), tf.int32)
    crop = tf.slice(_resized(image, size), [*tf.unstack(edge), 0], [image_size, image_size, -1])
    return tf.ensure_shape(crop, [image_size, image_size, CHANNELS])


def random_window(height, width, numbers):
    """Chooses a crop of random size, aspect and place, as torchvision's RandomResizedCrop.

    Of ten tries the first that fits is taken: an area uniform in 8 % to 100 % of the image's, and
    an aspect, width by height, whose logarithm is uniform between those of 3/4 and 4/3. If none
    fits, the largest central crop whose aspect is within the bounds.

    Args:
        height, width: int32 scalars, of the image in pixels.
        numbers: float32 (22,) in [0, 1): areas and aspects of ten tries, place of the top edge
            and place of the left edge.

    Returns:
        int32 (4,): top, left, height and width in pixels.
    """
    areas, aspects, places = tf.split(numbers, [_TRIES, _TRIES, 2])
    h, w = tf.cast(height, tf.float32), tf.cast(width, tf.float32)
    areas = h * w * (_AREA[0] + (_AREA[1] - _AREA[0]) * areas)
    low, high = math.log(_ASPECT[0]), math.log(_ASPECT[1])
    aspects = tf.exp(low + (high - low) * aspects)
    heights, widths = tf.round(tf.sqrt(areas / aspects)), tf.round(tf.sqrt(areas * aspects))
    fits = (heights > 0) & (heights <= h) & (widths > 0) & (widths <= w)
    first = tf.argmax(tf.cast(fits, tf.int32))
    tried = tf.stack([heights[first], widths[first]])
    largest = tf.stack(
        [tf.minimum(h, tf.round(w / _ASPECT[0])), tf.minimum(w, tf.round(h * _ASPECT[1]))]
    )
    free = tf.stack([h, w])
    size = tf.where(fits[first], tried, largest)
    edge = tf.floor(tf.where(fits[first], places * (free - size + 1), (free - size) / 2))
    return tf.cast(tf.concat([edge, size], 0), tf.int32)


def _decoded(encoded, window):
    """Decodes a window of an image file; of a JPEG of one or three channels nothing else.

    There the colours along the window's edge may differ, as those of the next pixels are not known
    where the colour is stored at half the size.

    Args:
        encoded: scalar string, the bytes of the file; of an animation the first image counts.
        window: function of height and width, int32 scalars, to int32 (4,): top, left, height and
            width in pixels.

    Returns:
        uint8 (height, width, 3) of the window.
    """

    def jpeg():
        height, width, _ = tf.unstack(tf.io.extract_jpeg_shape(encoded))
        # The cosine transform of Pillow; TensorFlow's own choice is a faster, less exact one.
        return tf.image.decode_and_crop_jpeg(
            encoded, window(height, width), channels=CHANNELS, dct_method="INTEGER_ACCURATE"
        )

    def other():
        image = decode(encoded, CHANNELS)
        top, left, height, width = tf.unstack(window(*tf.unstack(tf.shape(image)[:2])))
        return image[top : top + height, left : left + width]

    image = tf.cond(is_plain_jpeg(encoded), jpeg, other)
    return tf.ensure_shape(image, [None, None, CHANNELS])


def _resized(image, size):
    """Resizes (h, w, 3) to `size` pixels as PIL, with antialiasing where the image gets smaller."""
    return tf.image.resize(image, size, method="bilinear", antialias=True)


class Augmentation(typing.NamedTuple):
    """A way to vary a training image.

    Attributes:
        function: of "raw" images (b, h, w, c) in [0, 255] and numbers (b, k), or of "scaled"
            images (b, h, w, c) and numbers (b, k), or of one "encoded" image, a scalar string,
            numbers (k,) and the image size in pixels.
        takes: which of the three.
        numbers: k, the uniform random numbers in [0, 1) for an image.
    """

    function: typing.Callable
    takes: str
    numbers: int

    @property
    def decodes(self):
        """Tells whether it takes encoded images."""
        return self.takes == "encoded"


AUGMENTATIONS = {
    "none": Augmentation(none, "raw", 0),
    "shift_flip": Augmentation(shift_flip, "scaled", 3),
    "crop_flip": Augmentation(crop_flip, "raw", 3),
    "resized_crop_flip": Augmentation(resized_crop_flip, "encoded", 2 * _TRIES + 3),
}
