"""Pictures, looked at pixel by pixel."""

import numpy as np
import tensorflow as tf

from tfnorm.training import plots


def test_a_grid_shows_each_image_in_its_place():
    images = np.linspace(-1, 1, 5)[:, None, None, None] * np.ones((1, 4, 6, 3))
    grid = plots.image_grid(images, columns=2, gap=1)
    assert grid.shape == (3 * 5 + 1, 2 * 7 + 1, 3)
    assert grid.dtype == np.uint8
    shown = [grid[1 + i // 2 * 5 : 5 + i // 2 * 5, 1 + i % 2 * 7 : 7 + i % 2 * 7] for i in range(6)]
    for value, image in zip([0, 64, 128, 191, 255, 255], shown, strict=True):
        np.testing.assert_array_equal(image, value)
    assert (grid[0] == 255).all()


def test_values_outside_are_clipped():
    assert plots.image_grid(np.full((1, 1, 1, 1), 2.0), gap=0).item() == 255


def test_a_picture_is_read_back(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 1), np.uint8)
    plots.write_png(tmp_path / "a.png", pixels)
    np.testing.assert_array_equal(tf.io.decode_png((tmp_path / "a.png").read_bytes()), pixels)


def test_curves_are_drawn_where_there_are_values(tmp_path):
    rows = [{"step": 0, "distance": 9.0}, {"step": 5, "loss": 1.0}, {"step": 9, "loss": 2.0}]
    empty, drawn = tmp_path / "empty.png", tmp_path / "drawn.png"
    plots.write_curves(empty, [], {"Losses": ["loss"]})
    plots.write_curves(drawn, rows, {"Losses": ["loss"]})
    a, b = (tf.io.decode_png(path.read_bytes()).numpy() for path in (empty, drawn))
    assert a.shape == b.shape
    blue = (b[..., 2].astype(int) - b[..., 0]) > 80
    assert blue.sum() > 100
    assert not ((a[..., 2].astype(int) - a[..., 0]) > 80).any()
