"""What a feature network takes, and images brought to it.

A network is made for images of a size, a range and an order of axes. What it tells of them is read
from it, what it does not a user says: `Takes`.
"""

import dataclasses
import typing

import tensorflow as tf

# What values of an image may be, by what a user calls it: the factor and the shift from [0, 255].
RANGES = {"0:255": (1.0, 0.0), "0:1": (1 / 255, 0.0), "-1:1": (1 / 127.5, -1.0)}
LAYOUTS = ("channels_last", "channels_first")

# Images of this size are as small as any; a network that does not take them has a least size.
_SMALL = 32
_LARGE = 299


class Takes(typing.NamedTuple):
    """What a network takes, as a user says it; None: as it is read from the network.

    Attributes:
        size: height and width in pixels that all images are resized to.
        range: one of `RANGES`.
        layout: one of `LAYOUTS`.
    """

    size: int | None = None
    range: str | None = None
    layout: str | None = None


@dataclasses.dataclass(frozen=True)
class Input:
    """What a network takes.

    Attributes:
        size: (height, width) that all images are resized to; None: images of any size.
        least: height and width that smaller images are resized to; None: none are.
        range: one of `RANGES`.
        layout: one of `LAYOUTS`.
        dtype: of the images.
    """

    size: tuple[int, int] | None
    least: int | None
    range: str
    layout: str
    dtype: tf.DType = tf.float32

    def __str__(self):
        low, high = self.range.split(":")
        if self.size is not None:
            size = f"images resized to {self.size[0]}x{self.size[1]} (bilinear, antialiased)"
        elif self.least is not None:
            size = f"images smaller than {self.least}x{self.least} resized to it (bilinear)"
        else:
            size = "images as they are"
        return f"{size}, in [{low}, {high}], {self.layout.replace('_', ' ')}"

    def bring(self, images):
        """Brings images, float32 (n, h, w, 3) in [0, 255], to what the network takes."""
        images = resized(images, self._size_of(images))
        factor, shift = RANGES[self.range]
        images = images * factor + shift
        if self.dtype.is_integer:
            images = tf.round(images)
        if self.layout == "channels_first":
            images = tf.transpose(images, [0, 3, 1, 2])
        return tf.cast(images, self.dtype)

    def _size_of(self, images):
        if self.size is not None:
            return self.size
        return [max(side, self.least or 0) for side in images.shape[1:3]]


def resized(images, size):
    """Resizes images (n, h, w, c) bilinearly to `size`, without aliasing where they get smaller.

    Each value is a mean of the pixels around it with weights that fall linearly, over as many as
    come to one; those of PIL's `resize` with BILINEAR, but not rounded.
    """
    if tuple(images.shape[1:3]) == tuple(size):
        return images
    return tf.image.resize(images, size, method="bilinear", antialias=True)


def find(takes, shape, dtype, known_range, outputs):
    """Finds what a network takes.

    Args:
        takes: a `Takes`.
        shape: of its images as it tells it, of four, None for what may be anything.
        dtype: of its images.
        known_range: one of `RANGES` if it tells it, else None.
        outputs: from images as it takes them to its features (n, d); raises where it cannot.

    Returns:
        An `Input`.

    Raises:
        ValueError: it takes no images of three channels, or not what the user says, or it is not
            known what.
    """
    if len(shape) != 4:
        raise ValueError(f"its images have the shape {tuple(shape)}, not (n, h, w, 3)")
    known_layout = _layout(shape)
    if takes.layout and known_layout not in (takes.layout, None):
        raise ValueError(
            f"its images have the shape {tuple(shape)}. Received: feature_layout={takes.layout}"
        )
    layout = takes.layout or known_layout or "channels_last"
    height, width, channels = shape[1:] if layout == "channels_last" else (*shape[2:], shape[1])
    if channels not in (None, 3):
        raise ValueError(f"its images have the shape {tuple(shape)}, {channels} channels and not 3")
    size = (takes.size,) * 2 if takes.size is not None else None
    for fixed, axis in ((height, 0), (width, 1)):
        if fixed is not None and size is not None and size[axis] != fixed:
            raise ValueError(
                f"its images are fixed at {height}x{width}. Received: feature_size={takes.size}"
            )
    if size is None and None not in (height, width):
        size = height, width
    values = takes.range or ("0:255" if dtype.is_integer else known_range)
    if values is None:
        raise ValueError(
            "it does not tell the range of its images: give --feature_range, one of "
            f"{', '.join(RANGES)}"
        )
    found = Input(size, None, values, layout, dtype)
    if size is None and not _runs(found, _SMALL, outputs):
        found = dataclasses.replace(found, least=_least(found, outputs))
    return found


def _layout(shape):
    """Where three channels are in a shape of four; None: it does not tell."""
    if (shape[1] == 3) == (shape[3] == 3):
        return None
    return "channels_first" if shape[1] == 3 else "channels_last"


def _runs(input, size, outputs):
    try:
        features = outputs(input.bring(tf.zeros([1, size, size, 3])))
        return bool(tf.reduce_all(tf.math.is_finite(features)))
    except Exception:  # Of a graph that does not fit: one of many types.
        return False


def _least(input, outputs):
    """The smallest size that a network takes, by halving; None if it takes no large one either."""
    if not _runs(input, _LARGE, outputs):
        return None
    too_small, enough = _SMALL, _LARGE
    while enough - too_small > 1:
        middle = (too_small + enough) // 2
        if _runs(input, middle, outputs):
            enough = middle
        else:
            too_small = middle
    return enough
