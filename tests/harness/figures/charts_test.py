"""Charts, looked at pixel by pixel."""

import numpy as np
import pytest
import tensorflow as tf

from harness.figures import charts


def coloured(path, least=80):
    """How many pixels of each of the first two colours there are, and of any in all."""
    pixels = tf.io.decode_png(path.read_bytes()).numpy().astype(int)
    difference = pixels[..., 2] - pixels[..., 0]
    return (difference > least).sum(), (difference < -least).sum(), pixels[..., 0].size


def test_boxes_have_their_colours_and_say_what_is_missing(tmp_path):
    whole, cut, empty = (tmp_path / f"{name}.png" for name in ("whole", "cut", "empty"))
    panels = {"All": (0, None), "Some": (20, 100)}
    boxes = {"bn": {"a": [25.0, 30.0, 90.0], "b": [40.0, 60.0]}, "cd": {"b": [20.0, 50.0]}}
    charts.write_boxes(whole, boxes, panels, "FID")
    blue, orange, size = coloured(whole)
    assert blue > 100 and orange > 100
    assert size == coloured(cut_boxes(cut, boxes, panels))[2]
    charts.write_boxes(empty, {"bn": {"a": [None, None]}}, {"All": (0, None)}, "FID", "diverged")
    assert coloured(empty)[0] > 20  # the words alone


def cut_boxes(path, boxes, panels):
    boxes = boxes | {"cd": {"b": [20.0, None]}}
    charts.write_boxes(path, boxes, panels, "FID", missing="diverged")
    return path


def test_bars_are_as_high_as_their_numbers(tmp_path):
    low, high = tmp_path / "low.png", tmp_path / "high.png"
    for path, number in ((low, 1.0), (high, 3.0)):
        panels = {"A": {"bn": {"pass": number}, "itn": {"step": 4.0}, "cd": {"pass": None}}}
        charts.write_bars(path, panels, "ms")
    assert coloured(high)[0] > 2 * coloured(low)[0] > 1000
    assert coloured(high)[1] == coloured(low)[1] > 1000


def test_rows_are_as_long_as_their_numbers(tmp_path):
    """And say what is missing; on a logarithmic scale they begin at a power of 10."""
    path, counts = tmp_path / "rows.png", {}
    for name, number in (("low", 1.0), ("high", 3.0), ("none", None)):
        charts.write_rows(path, {"A": {"norm_1": {"bn": number}, "norm_2": {"itn": 4.0}}})
        counts[name] = coloured(path)
    for name, number in (("logarithmic", 30.0), ("nothing", None)):
        panels = {"A": {"norm_1": {"bn": number}, "norm_2": {"itn": 1000.0}}}
        charts.write_rows(path, panels, logarithmic=["A"])
        counts[name] = coloured(path)
    assert counts["high"][0] > 2 * counts["low"][0] > 1000
    assert counts["low"][1] == pytest.approx(counts["high"][1], rel=0.01)
    assert 20 < counts["none"][0] < counts["low"][0] / 2
    ratio = (counts["logarithmic"][0] - counts["nothing"][0]) / counts["logarithmic"][1]
    assert ratio == pytest.approx(np.log10(3) / 2, rel=0.2)


def test_more_rows_are_a_taller_picture(tmp_path):
    heights = []
    for count in (1, 8, 110):
        rows = {f"norm_{i}": {"bn": 1.0} for i in range(count)}
        charts.write_rows(tmp_path / "rows.png", {"A": rows, "B": rows})
        heights.append(tf.io.decode_png((tmp_path / "rows.png").read_bytes()).shape[0])
    assert heights[0] == heights[1] < heights[2] - 110 * 12


def test_heat_maps_are_blue_above_zero_and_red_below(tmp_path):
    """And of cells without a number, or that are not there, nothing is coloured."""
    pictures = {
        "above": {"A": {(1, 8): 2.0, (2, 8): 2.0}},
        "half": {"A": {(1, 8): 2.0, (2, 8): None}},
        "below": {"A": {(1, 8): 2.0, (2, 8): -2.0}},
        "apart": {"A": {(1, 8): 2.0, (2, 9): -2.0}},
        "nothing": {"A": {(1, 8): None, (2, 8): float("nan")}},
    }
    counts = {}
    for name, panels in pictures.items():
        path = tmp_path / f"{name}.png"
        charts.write_heat_maps(path, panels, "batch size", "width", "difference, %")
        counts[name] = coloured(path, least=40)[:2]  # the ends of the scale are dark
    blue, red = counts["nothing"]  # of the scale alone
    cell = counts["half"][0] - blue
    assert cell > 10_000
    assert counts["above"][0] - blue == pytest.approx(2 * cell, rel=0.05)
    assert counts["above"][1] == counts["half"][1] == red
    assert counts["below"][0] - blue == pytest.approx(cell, rel=0.05)
    assert counts["below"][1] - red == pytest.approx(cell, rel=0.2)
    assert counts["apart"][0] > blue and counts["apart"][1] > red


def test_heat_maps_share_a_scale(tmp_path):
    """A number that is small beside those of another panel is pale."""
    alone, beside = tmp_path / "alone.png", tmp_path / "beside.png"
    small = {(1, 8): 0.1}
    charts.write_heat_maps(alone, {"A": small, "B": small}, "x", "y", "%")
    charts.write_heat_maps(beside, {"A": small, "B": {(1, 8): 5.0}}, "x", "y", "%")
    pair, single = coloured(alone, 40)[0], coloured(beside, 40)[0]
    assert single - pair / 2 < pair / 4
    charts.write_heat_maps(alone, {"A": small, "B": small, "C": small}, "x", "y", "%")
    three = tf.io.decode_png(alone.read_bytes()).shape
    two = tf.io.decode_png(beside.read_bytes()).shape
    assert (three[0] == 2 * two[0]) and (three[1] == two[1])
