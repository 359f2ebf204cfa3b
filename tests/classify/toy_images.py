"""Images of which a test can tell which they are, in memory and encoded."""

import io

import numpy as np
import tensorflow as tf
from PIL import Image

from classify.scalings import make_scaling
from harness.datasets import EncodedImages, Images

SYMMETRIC = make_scaling("symmetric")


def encoded_images(contents):
    """`EncodedImages` whose label is their index."""
    contents = tf.constant(contents)
    return EncodedImages(
        "files",
        "train",
        np.arange(len(contents)),
        len(contents),
        3,
        lambda index: tf.gather(contents, index),
        "image {} of files".format,
    )


def numbered_images(n=20, height=8, width=6):
    """Images whose label is their index, and whose first pixel is as well, if it is not moved."""
    pixels = np.random.default_rng(0).integers(0, 256, (n, height, width, 3), np.uint8)
    pixels[:, 0, 0, 0] = np.arange(n)
    return Images("numbers", "train", pixels, np.arange(n), n)


def image_files(n=12, kind="JPEG"):
    """The bytes of images of one colour each, and of different sizes."""
    contents = []
    for i in range(n):
        pixels = np.full((20 + i, 30 - i, 3), 10 * i, np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, kind)
        contents.append(file.getvalue())
    return contents
