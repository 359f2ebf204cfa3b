"""Pictures, looked at pixel by pixel."""

import numpy as np
import pytest
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


def coloured(path, least=80):
    """How many pixels of each of the first two colours there are, and of any in all."""
    pixels = tf.io.decode_png(path.read_bytes()).numpy().astype(int)
    difference = pixels[..., 2] - pixels[..., 0]
    return (difference > least).sum(), (difference < -least).sum(), pixels[..., 0].size


def test_boxes_have_their_colours_and_say_what_is_missing(tmp_path):
    whole, cut, empty = (tmp_path / f"{name}.png" for name in ("whole", "cut", "empty"))
    panels = {"All": (0, None), "Some": (20, 100)}
    boxes = {"bn": {"a": [25.0, 30.0, 90.0], "b": [40.0, 60.0]}, "cd": {"b": [20.0, 50.0]}}
    plots.write_boxes(whole, boxes, panels, "FID")
    blue, orange, size = coloured(whole)
    assert blue > 100 and orange > 100
    assert size == coloured(cut_boxes(cut, boxes, panels))[2]
    plots.write_boxes(empty, {"bn": {"a": [None, None]}}, {"All": (0, None)}, "FID", "diverged")
    assert coloured(empty)[0] > 20  # the words alone


def cut_boxes(path, boxes, panels):
    boxes = boxes | {"cd": {"b": [20.0, None]}}
    plots.write_boxes(path, boxes, panels, "FID", missing="diverged")
    return path


def test_bars_are_as_high_as_their_numbers(tmp_path):
    low, high = tmp_path / "low.png", tmp_path / "high.png"
    for path, number in ((low, 1.0), (high, 3.0)):
        panels = {"A": {"bn": {"pass": number}, "itn": {"step": 4.0}, "cd": {"pass": None}}}
        plots.write_bars(path, panels, "ms")
    assert coloured(high)[0] > 2 * coloured(low)[0] > 1000
    assert coloured(high)[1] == coloured(low)[1] > 1000


def test_rows_are_as_long_as_their_numbers(tmp_path):
    """And say what is missing; on a logarithmic scale they begin at a power of 10."""
    path, found = tmp_path / "rows.png", {}
    for name, number in (("low", 1.0), ("high", 3.0), ("none", None)):
        plots.write_rows(path, {"A": {"norm_1": {"bn": number}, "norm_2": {"itn": 4.0}}})
        found[name] = coloured(path)
    for name, number in (("logarithmic", 30.0), ("nothing", None)):
        panels = {"A": {"norm_1": {"bn": number}, "norm_2": {"itn": 1000.0}}}
        plots.write_rows(path, panels, logarithmic=["A"])
        found[name] = coloured(path)
    assert found["high"][0] > 2 * found["low"][0] > 1000
    assert found["low"][1] == pytest.approx(found["high"][1], rel=0.01)
    assert 20 < found["none"][0] < found["low"][0] / 2
    ratio = (found["logarithmic"][0] - found["nothing"][0]) / found["logarithmic"][1]
    assert ratio == pytest.approx(np.log10(3) / 2, rel=0.2)


def test_more_rows_are_a_taller_picture(tmp_path):
    heights = []
    for count in (1, 8, 110):
        rows = {f"norm_{i}": {"bn": 1.0} for i in range(count)}
        plots.write_rows(tmp_path / "rows.png", {"A": rows, "B": rows})
        heights.append(tf.io.decode_png((tmp_path / "rows.png").read_bytes()).shape[0])
    assert heights[0] == heights[1] < heights[2] - 110 * 12


def test_the_legend_of_many_lines_is_beside_them(tmp_path):
    right = []
    for count in (3, 4):
        lines = {f"line {i}": [(1, i), (2, i)] for i in range(count)}
        plots.write_lines(tmp_path / "lines.png", {"A": lines}, "x")
        pixels = tf.io.decode_png((tmp_path / "lines.png").read_bytes(), channels=3).numpy()
        frame = ((pixels < 60).all(-1).mean(0) > 0.6).nonzero()[0]
        right.append(frame.max() / pixels.shape[1])
    assert right[1] < 0.9 < right[0]


def test_panels_over_sizes_have_the_same_axis(tmp_path):
    """Though in one of them the first point is missing."""
    panels = {"A": {"bn": [(2, 1), (4, 1)]}, "B": {"bn": [(4, 1)]}}
    plots.write_lines(tmp_path / "lines.png", panels, "channels", powers_of_2=True)
    pixels = tf.io.decode_png((tmp_path / "lines.png").read_bytes(), channels=3).numpy()
    blue = pixels[..., 2].astype(int) - pixels[..., 0] > 80
    above, below = (half.any(0).nonzero()[0] for half in np.split(blue, 2))
    assert above.max() == below.max() and above.min() < below.min() - 100


def test_pictures_are_below_the_curves(tmp_path):
    rows, panels = [{"step": 0, "loss": 1.0}, {"step": 9, "loss": 0.5}], {"Losses": ["loss"]}
    red = np.zeros((40, 40, 3), np.uint8) + np.array([255, 0, 0], np.uint8)
    sizes = []
    for pictures in ([], [("step 0", red), ("step 9", red)]):
        plots.write_curves(tmp_path / "curves.png", rows, panels, pictures=pictures)
        pixels = tf.io.decode_png((tmp_path / "curves.png").read_bytes(), channels=3).numpy()
        sizes.append(pixels.shape[0])
        rows_of_red, columns = np.nonzero((pixels == [255, 0, 0]).all(-1))
        assert bool(pictures) == bool(len(rows_of_red))
    assert sizes[1] > sizes[0]
    assert rows_of_red.min() > sizes[0] * 0.8
    assert columns.min() < pixels.shape[1] / 2 < columns.max()


def test_heat_maps_are_blue_above_zero_and_red_below(tmp_path):
    """And of cells without a number, or that are not there, nothing is coloured."""
    pictures = {
        "above": {"A": {(1, 8): 2.0, (2, 8): 2.0}},
        "half": {"A": {(1, 8): 2.0, (2, 8): None}},
        "below": {"A": {(1, 8): 2.0, (2, 8): -2.0}},
        "apart": {"A": {(1, 8): 2.0, (2, 9): -2.0}},
        "nothing": {"A": {(1, 8): None, (2, 8): float("nan")}},
    }
    found = {}
    for name, panels in pictures.items():
        path = tmp_path / f"{name}.png"
        plots.write_heat_maps(path, panels, "batch size", "width", "difference, %")
        found[name] = coloured(path, least=40)[:2]  # the ends of the scale are dark
    blue, red = found["nothing"]  # of the scale alone
    of_cell = found["half"][0] - blue
    assert of_cell > 10_000
    assert found["above"][0] - blue == pytest.approx(2 * of_cell, rel=0.05)
    assert found["above"][1] == found["half"][1] == red
    assert found["below"][0] - blue == pytest.approx(of_cell, rel=0.05)
    assert found["below"][1] - red == pytest.approx(of_cell, rel=0.2)
    assert found["apart"][0] > blue and found["apart"][1] > red


def test_heat_maps_share_a_scale(tmp_path):
    """A number that is small beside those of another panel is pale."""
    alone, beside = tmp_path / "alone.png", tmp_path / "beside.png"
    small = {(1, 8): 0.1}
    plots.write_heat_maps(alone, {"A": small, "B": small}, "x", "y", "%")
    plots.write_heat_maps(beside, {"A": small, "B": {(1, 8): 5.0}}, "x", "y", "%")
    pair, single = coloured(alone, 40)[0], coloured(beside, 40)[0]
    assert single - pair / 2 < pair / 4
    plots.write_heat_maps(alone, {"A": small, "B": small, "C": small}, "x", "y", "%")
    three = tf.io.decode_png(alone.read_bytes()).shape
    two = tf.io.decode_png(beside.read_bytes()).shape
    assert (three[0] == 2 * two[0]) and (three[1] == two[1])
