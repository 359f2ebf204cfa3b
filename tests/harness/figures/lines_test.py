"""Lines, looked at pixel by pixel."""

import numpy as np
import pytest
import tensorflow as tf

from harness.figures import lines
from harness.figures.lines import write_curves, write_lines


def test_curves_are_drawn_where_there_are_values(tmp_path):
    rows = [{"step": 0, "distance": 9.0}, {"step": 5, "loss": 1.0}, {"step": 9, "loss": 2.0}]
    empty, drawn = tmp_path / "empty.png", tmp_path / "drawn.png"
    write_curves(empty, [], {"Losses": ["loss"]})
    write_curves(drawn, rows, {"Losses": ["loss"]})
    a, b = (tf.io.decode_png(path.read_bytes()).numpy() for path in (empty, drawn))
    assert a.shape == b.shape
    blue = (b[..., 2].astype(int) - b[..., 0]) > 80
    assert blue.sum() > 100
    assert not ((a[..., 2].astype(int) - a[..., 0]) > 80).any()


def blue_of(path):
    """Where the first line is drawn, (height, width)."""
    pixels = tf.io.decode_png(path.read_bytes(), channels=3).numpy().astype(int)
    return pixels[..., 2] - pixels[..., 0] > 80


def test_zero_is_a_value(tmp_path):
    rows = [{"step": step, "loss": loss} for step, loss in enumerate([0.0, 1.0, 0.0])]
    write_curves(tmp_path / "curves.png", rows, {"Losses": ["loss"]})
    (columns,) = blue_of(tmp_path / "curves.png").any(0).nonzero()
    assert np.ptp(columns) > 300


def test_few_points_are_marked(tmp_path):
    heights = []
    for count in (49, 50):
        write_lines(tmp_path / "a.png", {"A": {"a": [(x, 5) for x in range(count)]}}, "x")
        heights.append(blue_of(tmp_path / "a.png").sum(0).max())
    assert heights[0] > heights[1] + 2


@pytest.mark.parametrize("logarithmic", [[], ["A"]])
def test_y_on_a_logarithmic_scale(tmp_path, logarithmic):
    points = [(0, 1), (1, 10), (2, 100)]
    write_lines(tmp_path / "a.png", {"A": {"a": points}}, "x", logarithmic=logarithmic)
    rows, columns = blue_of(tmp_path / "a.png").nonzero()
    middle = rows[columns == (columns.min() + columns.max()) // 2].mean()
    share = (rows.max() - middle) / np.ptp(rows)
    assert share == pytest.approx(1 / 2 if logarithmic else 9 / 99, abs=0.03)


def drawn(monkeypatch, *args, **kwargs):
    """The axes of a figure of lines."""
    figures = []
    monkeypatch.setattr(lines, "write_figure", lambda path, figure, vectors: figures.append(figure))
    write_lines("a.png", *args, **kwargs)
    return figures[0].axes


def described(axes):
    """Of each line that a legend names: label, colour and style."""
    named = [line for line in axes.lines if not line.get_label().startswith("_")]
    return [(line.get_label(), line.get_color(), line.get_linestyle()) for line in named]


@pytest.mark.parametrize("count", [2, 3, 8])
def test_a_legend_is_beside_the_lines(tmp_path, count):
    given = {f"line {i}": [(1, i), (2, i)] for i in range(count)}
    write_lines(tmp_path / "lines.png", {"A": given}, "x")
    pixels = tf.io.decode_png((tmp_path / "lines.png").read_bytes(), channels=3).numpy()
    frame = ((pixels < 60).all(-1).mean(0) > 0.6).nonzero()[0]
    assert frame.max() / pixels.shape[1] < 0.95


def test_a_label_has_its_colour_in_every_panel_and_a_dashed_line_that_of_another(monkeypatch):
    points = [(1, 1), (2, 2)]
    panels = {"A": {"b": points}, "B": {"a": points, "a: null": points, "b": points}}
    above, below = drawn(monkeypatch, panels, "x", dashed={"a: null": "a", "c: null": "c"})
    assert described(above) == [("b", "C0", "-")]
    assert described(below) == [("a", "C1", "-"), ("a: null", "C1", "--"), ("b", "C0", "-")]


def test_normalizations_have_colours_of_their_own(monkeypatch):
    points = [(1, 1), (2, 2)]
    for names in (["BN", "ItN", "CD"], ["cd", "itn", "bn"]):
        (axes,) = drawn(monkeypatch, {"A": {name: points for name in names}}, "x")
        found = {label.lower(): colour for label, colour, _ in described(axes)}
        assert found == {"bn": "black", "itn": "C0", "cd": "C2"}


def test_a_negative_value_is_hollow_at_its_size_on_a_logarithmic_scale(monkeypatch):
    panels = {"A": {"a": [(1, 0.1), (2, -0.5), (3, 0.0), (4, 2.0)]}}
    (axes,) = drawn(monkeypatch, panels, "x", logarithmic=["A"])
    line, *markers = axes.lines
    assert list(line.get_ydata()) == [0.1, 0.5, 2.0]
    faces = {mark.get_markerfacecolor(): list(mark.get_ydata()) for mark in markers}
    assert faces == {"C0": [0.1, 2.0], "white": [0.5]}
    (axes,) = drawn(monkeypatch, panels, "x")
    assert list(axes.lines[0].get_ydata()) == [0.1, -0.5, 0.0, 2.0]


def test_epochs_are_whole(monkeypatch):
    panels = {"A": {"a": [(epoch, epoch) for epoch in range(1, 21)]}}
    (axes,) = drawn(monkeypatch, panels, "epoch", whole_x=True)
    assert [tick for tick in axes.get_xticks() if tick % 1] == []


def test_a_smoothed_line_is_of_means_above_faint_points(monkeypatch):
    points = [(x, 5 + x / 100 + (-1) ** x) for x in range(100)]
    panels = {"A": {"loss": points, "test loss": points, "few": points[:49]}}
    (axes,) = drawn(monkeypatch, panels, "step", smoothed=["loss", "few"])
    faint, means, test, few, _ = axes.get_lines()
    assert faint.get_alpha() < 0.5 and list(faint.get_ydata()) == [y for _, y in points]
    assert means.get_color() == faint.get_color() != test.get_color()
    assert means.get_label() == "loss,\nmean of 5"
    # In the middle of five points of a zigzag 3 are above, or below; at the ends of three 2 are.
    slope = 5 + np.arange(100) / 100
    np.testing.assert_allclose(means.get_ydata()[2:-2], (slope + (-1) ** np.arange(100) / 5)[2:-2])
    assert means.get_ydata()[0] == pytest.approx(5.01 + 1 / 3)
    assert list(test.get_ydata()) == [y for _, y in points]
    assert list(few.get_ydata()) == [y for _, y in points[:49]]


def test_the_same_lines_are_the_same_vectors(tmp_path):
    for name in ("a", "b"):
        write_lines(tmp_path / f"{name}.png", {"A": {"a": [(1, 5), (2, 6)]}}, "x")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_curves_of_a_run_are_no_vectors(tmp_path):
    write_curves(tmp_path / "curves.png", [{"step": 0, "loss": 1.0}], {"Losses": ["loss"]})
    assert [path.name for path in tmp_path.iterdir()] == ["curves.png"]


def test_panels_over_sizes_have_the_same_axis(tmp_path):
    """Though in one of them the first point is missing."""
    panels = {"A": {"itn": [(2, 1), (4, 1)]}, "B": {"itn": [(4, 1)]}}
    write_lines(tmp_path / "lines.png", panels, "channels", powers_of_2=True)
    pixels = tf.io.decode_png((tmp_path / "lines.png").read_bytes(), channels=3).numpy()
    blue = pixels[..., 2].astype(int) - pixels[..., 0] > 80
    above, below = (half.any(0).nonzero()[0] for half in np.split(blue, 2))
    assert above.max() == below.max() and above.min() < below.min() - 100


def test_pictures_are_below_the_curves(tmp_path):
    rows, panels = [{"step": 0, "loss": 1.0}, {"step": 9, "loss": 0.5}], {"Losses": ["loss"]}
    red = np.zeros((40, 40, 3), np.uint8) + np.array([255, 0, 0], np.uint8)
    sizes = []
    for pictures in ([], [("step 0", red), ("step 9", red)]):
        write_curves(tmp_path / "curves.png", rows, panels, pictures=pictures)
        pixels = tf.io.decode_png((tmp_path / "curves.png").read_bytes(), channels=3).numpy()
        sizes.append(pixels.shape[0])
        rows_of_red, columns = np.nonzero((pixels == [255, 0, 0]).all(-1))
        assert bool(pictures) == bool(len(rows_of_red))
    assert sizes[1] > sizes[0]
    grey = np.full((40, 40, 1), 100, np.uint8)  # whose own least value is not black
    write_curves(tmp_path / "grey.png", rows, panels, pictures=[("step 0", grey)])
    pixels = tf.io.decode_png((tmp_path / "grey.png").read_bytes(), channels=3).numpy()
    assert (pixels == 100).all(-1).sum() > 10_000
    assert rows_of_red.min() > sizes[0] * 0.8
    assert columns.min() < pixels.shape[1] / 2 < columns.max()


def column_of_markers(path):
    """Where a line's points stand: the middle of each run of columns that has the most blue."""
    pixels = tf.io.decode_png(path.read_bytes(), channels=3).numpy().astype(int)
    blue = (pixels[..., 2] - pixels[..., 0] > 80).sum(0)
    there = (blue >= blue.max() - 1).nonzero()[0]
    return [run.mean() for run in np.split(there, np.flatnonzero(np.diff(there) > 5) + 1)]


@pytest.mark.parametrize("logarithmic", [False, True])
def test_x_on_a_logarithmic_scale(tmp_path, logarithmic):
    panels = {"A": {"a": [(1, 5), (10, 5), (100, 5)]}}
    write_lines(tmp_path / "a.png", panels, "x", logarithmic_x=logarithmic)
    first, middle, last = column_of_markers(tmp_path / "a.png")
    expected = 1 / 2 if logarithmic else 9 / 99
    assert (middle - first) / (last - first) == pytest.approx(expected, abs=0.01)


def test_marks_are_where_they_belong(tmp_path):
    """Upright lines, between the points that they are between."""
    panels = {"A": {"a": [(0, 5), (8, 5)]}}
    pictures = []
    for marks in ((), (2,)):
        write_lines(tmp_path / "a.png", panels, "x", marks=marks)
        content = (tmp_path / "a.png").read_bytes()
        pictures.append(tf.io.decode_png(content, channels=3).numpy().astype(int))
    changed = np.unique((pictures[0] != pictures[1]).any(-1).nonzero()[1])
    first, last = column_of_markers(tmp_path / "a.png")
    assert 1 <= len(changed) <= 4
    assert (changed.mean() - first) / (last - first) == pytest.approx(2 / 8, abs=0.01)
