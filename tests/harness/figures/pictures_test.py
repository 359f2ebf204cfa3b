"""Grids of images, looked at pixel by pixel."""

import numpy as np
import tensorflow as tf

from harness.figures import pictures


def test_a_grid_shows_each_image_in_its_place():
    images = np.linspace(-1, 1, 5)[:, None, None, None] * np.ones((1, 4, 6, 3))
    grid = pictures.image_grid(images, columns=2, gap=1)
    assert grid.shape == (3 * 5 + 1, 2 * 7 + 1, 3)
    assert grid.dtype == np.uint8
    shown = [grid[1 + i // 2 * 5 : 5 + i // 2 * 5, 1 + i % 2 * 7 : 7 + i % 2 * 7] for i in range(6)]
    for value, image in zip([0, 64, 128, 191, 255, 255], shown, strict=True):
        np.testing.assert_array_equal(image, value)
    assert (grid[0] == 255).all()


def test_a_grid_is_about_as_wide_as_high():
    """Of two rows of three images with two pixels between them."""
    assert pictures.image_grid(np.zeros((5, 4, 6, 1))).shape == (2 * 6 + 2, 3 * 8 + 2, 1)


def test_values_outside_are_clipped():
    assert pictures.image_grid(np.full((1, 1, 1, 1), 2.0), gap=0).item() == 255


def test_a_picture_is_read_back(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 1), np.uint8)
    pictures.write_png(tmp_path / "a.png", pixels)
    np.testing.assert_array_equal(tf.io.decode_png((tmp_path / "a.png").read_bytes()), pixels)
