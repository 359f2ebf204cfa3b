"""Image files to pixels as Pillow gives them: one reader for all programs."""

import io

import numpy as np
import tensorflow as tf
from PIL import Image, UnidentifiedImageError

from harness.datasets.damage import reason
from harness.errors import UserError

# The formats that are tried. Of others Pillow would start programs, as for EPS.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")

_PNG = b"\x89PNG\r\n\x1a\n"
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
# What a file must be, in words.
RULE = f"a whole {', '.join(FORMATS[:-1])} or {FORMATS[-1]} image"


def read_pixels(encoded, channels=3):
    """Decodes the bytes of an image file, whatever its name is, to the numbers that Pillow gives.

    Palettes are looked up, transparency is dropped, CMYK becomes RGB as `Image.convert` does, and
    of an animation the first frame counts. Values of 16 bits give their high byte. The rotation
    that a camera notes in EXIF is not carried out: Pillow, torchvision and TensorFlow leave it, and
    so do the tools whose numbers are published.

    Args:
        encoded: bytes.
        channels: 3 makes grey images RGB; 1 makes all grey; 4 keeps transparency.

    Returns:
        uint8 (height, width, channels), pixels in [0, 255].

    Raises:
        ValueError: it is not `RULE`; the text says what was received.
    """
    try:
        image = Image.open(io.BytesIO(encoded), formats=FORMATS)
        image.load()
        pixels = _pixels(image, _MODES[channels])
    except UnidentifiedImageError as error:
        raise ValueError(f"{len(encoded)} bytes of another kind") from error
    except Exception as error:  # Damaged bytes surface as one of many types.
        raise ValueError(str(error) or type(error).__name__) from error
    return pixels.reshape(*pixels.shape[:2], channels)


def read_file(path, channels=3):
    """Reads an image file as `read_pixels`; raises `UserError` if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return read_pixels(file.read(), channels)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {reason(error)}") from error
    except ValueError as error:
        raise UserError(
            f"{path} must be {RULE}. Received: {reason(error)}. Replace it, or delete it"
        ) from error


def decode(encoded, channels=3):
    """Does as `read_pixels` in a graph: of a scalar string tensor uint8 (height, width, channels).

    PNG, and JPEG of one or three channels, are decoded by TensorFlow, to the same numbers: a
    quarter of the time, as Python's threads wait for each other. Only where `channels` is 1 the
    grey of coloured images differs.
    """

    def png():
        return tf.io.decode_png(encoded, channels)

    def jpeg():
        # TensorFlow's own choice of a transform is a faster one, a level off everyone's else.
        return tf.io.decode_jpeg(encoded, channels, dct_method="INTEGER_ACCURATE")

    def other():
        def pixels(data):
            # Without a graph it is an array of bytes.
            return read_pixels(data if isinstance(data, bytes) else data.item(), channels)

        return tf.numpy_function(pixels, [encoded], tf.uint8, stateful=False)

    def no_png():
        return other() if channels == 4 else tf.cond(is_plain_jpeg(encoded), jpeg, other)

    image = tf.cond(tf.strings.substr(encoded, 0, 8) == _PNG, png, no_png)
    return tf.ensure_shape(image, [None, None, channels])


def is_plain_jpeg(encoded):
    """Tells, in a graph, of a scalar string whether it is a JPEG of one or three channels."""
    return tf.cond(
        tf.io.is_jpeg(encoded),
        lambda: tf.io.extract_jpeg_shape(encoded)[2] < 4,
        lambda: tf.constant(False),
    )


def _pixels(image, mode):
    if image.mode.startswith("I"):  # 16 bits, which `convert` would clip at 255
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() >= 1 << 16:
            raise ValueError(f"values from {values.min()} to {values.max()}, more than 16 bits")
        image = Image.fromarray((values >> 8).astype(np.uint8))
    elif image.mode == "F":
        raise ValueError("values that are no whole numbers")
    elif image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # Else it warns of what is dropped.
    return np.array(image if image.mode == mode else image.convert(mode))
