"""Images side by side in one picture."""

import numpy as np
import tensorflow as tf

from harness.files import write_whole


def image_grid(images, columns=None, gap=2):
    """Lays out images side by side.

    Args:
        images: (n, h, w, 1 or 3), in [-1, 1].
        columns: images in a row; None is about as many as rows.
        gap: pixels between images.

    Returns:
        uint8 (height, width, 1 or 3).
    """
    images = np.asarray(images)
    n, h, w, channels = images.shape
    columns = columns or int(np.ceil(np.sqrt(n)))
    rows = -(-n // columns)
    pixels = np.clip(np.round((images + 1.0) * 127.5), 0, 255).astype(np.uint8)
    grid = np.full((rows * (h + gap) + gap, columns * (w + gap) + gap, channels), 255, np.uint8)
    for i in range(n):
        top, left = gap + i // columns * (h + gap), gap + i % columns * (w + gap)
        grid[top : top + h, left : left + w] = pixels[i]
    return grid


def write_png(path, pixels):
    """Writes uint8 (height, width, 1 or 3) as PNG."""
    write_whole(path, tf.io.encode_png(pixels).numpy())


def read_png(path):
    """Reads uint8 (height, width, channels); raises `ValueError` if it is no such file."""
    try:
        return tf.io.decode_png(path.read_bytes())
    except tf.errors.OpError as error:
        raise ValueError(f"{path} is damaged") from error
