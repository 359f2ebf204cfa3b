"""Charts: what is on a figure before it is written, and that it is written."""

import numpy as np
import pytest
import tensorflow as tf
from matplotlib.colors import to_rgba

from harness.figures import charts


@pytest.fixture
def figure_of(monkeypatch):
    """Of a function of `charts` and its arguments but the path, the figure that it draws."""

    def draw(function, *args, **kwargs):
        figures = []
        monkeypatch.setattr(charts, "write_figure", lambda path, figure: figures.append(figure))
        function("a.png", *args, **kwargs)
        (figure,) = figures
        return figure

    return draw


def colours(artists):
    """Names C0, C1, ... of the colours that artists are filled with."""
    names = {to_rgba(f"C{i}")[:3]: f"C{i}" for i in range(10)}
    return [names[artist.get_facecolor()[:3]] for artist in artists]


def points_and_median(axes):
    """The line of the first box's points, and the thick line of its median, if it has one."""
    (points, *_) = (line for line in axes.lines if line.get_marker() == ".")
    medians = [line for line in axes.lines if line.get_linewidth() == 2]
    return points, medians[0] if medians else None


def texts(axes):
    return [text.get_text() for text in axes.texts]


def labels(figure):
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def test_boxes_reach_from_the_least_to_the_greatest_value(figure_of):
    values = [0.0, 1.0, 2.0, 3.0, 100.0]
    figure = figure_of(charts.write_boxes, {"bn": {"a": values}}, {"All": (0, None)}, "FID")
    (axes,) = figure.axes
    points, median = points_and_median(axes)
    assert list(median.get_ydata()) == [2.0, 2.0]
    assert list(points.get_ydata()) == values
    lines = [line.get_ydata() for line in axes.lines if line.get_marker() in ("", "None")]
    drawn = np.concatenate(lines)
    assert (drawn.min(), drawn.max()) == (0, 100)
    assert (axes.get_title(), axes.get_ylabel(), figure.legends) == ("All", "FID", [])


def test_boxes_have_their_colours_and_panels_their_limits(figure_of):
    boxes = {"bn": {"a": [25.0, 26, 30], "b": [40.0, 50, 60]}, "cd": {"b": [20.0, 40, 50]}}
    panels = {"All": (0, None), "Some": (20, 100)}
    figure = figure_of(charts.write_boxes, boxes, panels, "FID")
    above, below = figure.axes
    assert above.get_ylim()[0] == 0 and above.get_ylim()[1] > 60
    assert below.get_ylim() == (20, 100)
    for axes in figure.axes:
        assert colours(axes.patches) == ["C0", "C1", "C1"]
        assert [label.get_text() for label in axes.get_xticklabels()] == ["bn", "cd"]
        assert texts(axes) == []
    assert labels(figure) == ["a", "b"]


def test_boxes_say_what_is_missing(figure_of):
    boxes = {"bn": {"a": [None, 25.0, None]}, "cd": {"a": [None]}}
    figure = figure_of(charts.write_boxes, boxes, {"All": (0, None)}, "FID", missing="diverged")
    (axes,) = figure.axes
    assert texts(axes) == ["2 diverged", "1 diverged"]
    assert [text.get_position()[0] for text in axes.texts] == [0, 1]
    assert len(axes.patches) == 0  # of one value there is no box


@pytest.mark.parametrize(("values", "boxes"), [([1.0], 0), ([1.0, 2.0], 0), ([1.0, 2.0, 3.0], 1)])
def test_there_is_no_box_of_fewer_than_three_values(figure_of, values, boxes):
    figure = figure_of(charts.write_boxes, {"bn": {"a": values}}, {"All": (0, None)}, "FID")
    (axes,) = figure.axes
    points, median = points_and_median(axes)
    assert len(axes.patches) == boxes and list(points.get_ydata()) == values
    assert (median is not None) == (len(values) > 1)


@pytest.mark.parametrize(("median", "drawn"), [(1.0, [1.0, 1.0]), (None, None)])
def test_the_median_is_the_one_that_is_given(figure_of, median, drawn):
    boxes, medians = {"bn": {"a": [1.0, 2.0]}}, {("bn", "a"): median}
    figure = figure_of(charts.write_boxes, boxes, {"All": (0, None)}, "FID", medians=medians)
    _, line = points_and_median(figure.axes[0])
    assert (line and list(line.get_ydata())) == drawn


def test_no_panel_cuts_a_box_and_what_is_above_is_counted(figure_of):
    boxes = {"bn": {"a": [1.0, 2.0, 9.0, 10.0, 50.0]}, "cd": {"a": [1.0, 2.0, 3.0]}}
    figure = figure_of(charts.write_boxes, boxes, {"Some": (0, 4)}, "FID")
    (axes,) = figure.axes
    top = max(patch.get_path().vertices[:, 1].max() for patch in axes.patches)
    assert top == 10.0 < axes.get_ylim()[1] < 50.0
    assert texts(axes) == ["1 above"]


def test_bars_are_as_high_as_their_numbers_and_stand_around_their_labels(figure_of):
    panels = {
        "A": {"bn": {"pass": 1.0, "step": 3.0}, "itn": {"step": 4.0}, "cd": {"pass": None}},
        "B": {"bn": {"pass": 2.0}},
    }
    figure = figure_of(charts.write_bars, panels, "ms")
    above, below = figure.axes
    assert [bar.get_height() for bar in above.patches] == [1, 3, 4]
    assert colours(above.patches) == ["C0", "C1", "C1"]
    centres = [bar.get_x() + bar.get_width() / 2 for bar in above.patches]
    np.testing.assert_allclose(centres, [-0.2, 0.2, 1])
    assert all(bar.get_width() == pytest.approx(0.36) for bar in above.patches)
    assert [label.get_text() for label in above.get_xticklabels()] == ["bn", "itn", "cd"]
    assert [bar.get_height() for bar in below.patches] == [2]
    assert labels(figure) == ["pass", "step"]


def test_rows_are_as_long_as_their_numbers_from_the_top_down(figure_of):
    panels = {
        "A": {"norm_1": {"bn": 1.0}, "norm_2": {"itn": 4.0}, "norm_3": {"bn": None}},
        "B": {"norm_1": {"bn": 30.0}, "norm_2": {"itn": 1000.0}, "norm_3": {"bn": None}},
    }
    figure = figure_of(charts.write_rows, panels, logarithmic=["B"], missing="none")
    left, right = figure.axes
    assert [bar.get_width() for bar in left.patches] == [1, 4]
    assert [to_rgba(c) for c in ("black", "C0")] == [bar.get_facecolor() for bar in left.patches]
    assert [bar.get_y() + bar.get_height() / 2 for bar in left.patches] == [0, 1]
    below, above = left.get_ylim()
    assert above < 0 < 2 < below
    assert [label.get_text() for label in left.get_yticklabels()] == list(panels["A"])
    assert texts(left) == texts(right) == ["none"]
    assert (left.get_xscale(), right.get_xscale()) == ("linear", "log")
    assert right.get_xlim() == (10, 10_000)  # from a power of 10 to one


def test_a_logarithmic_scale_of_nothing(figure_of):
    figure = figure_of(charts.write_rows, {"A": {"norm_1": {"bn": None}}}, logarithmic=["A"])
    assert figure.axes[0].get_xlim() == (1, 10)


def test_more_rows_are_a_taller_picture(figure_of):
    heights = []
    for count in (1, 8, 110):
        rows = {f"norm_{i}": {"bn": 1.0} for i in range(count)}
        heights.append(figure_of(charts.write_rows, {"A": rows, "B": rows}).get_figheight())
    assert heights[0] == heights[1] < heights[2] - 110 * 0.12


def heat_maps(figure_of, panels):
    """The axes with a map, and those maps."""
    figure = figure_of(charts.write_heat_maps, panels, "batch size", "width", "difference, %")
    axes = figure.axes[: len(panels)]
    return axes, [one.images[0] for one in axes]


def test_heat_maps_are_blue_above_zero_and_red_below(figure_of):
    """And of cells without a number, or that are not there, nothing is coloured."""
    cells = {(1, 8): 2.0, (2, 8): -2.0, (2, 9): None}
    (axes,), (image,) = heat_maps(figure_of, {"A": cells})
    np.testing.assert_array_equal(image.get_array(), [[2, -2], [np.nan, np.nan]])
    assert axes.get_ylim()[0] < axes.get_ylim()[1]  # upwards
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["8", "9"]
    assert image.get_clim() == (-2, 2)
    red, _, blue, _ = np.transpose(image.cmap(image.norm([2.0, 0.0, -2.0])))
    assert blue[0] > red[0] + 0.2 and red[2] > blue[2] + 0.2
    assert blue[1] == pytest.approx(red[1], abs=0.01)
    # Words on the cells that are there, and readable on dark ones.
    assert texts(axes) == ["2", "-2", "-"]
    assert [text.get_color() for text in axes.texts] == ["w", "w", "k"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("batch size", "width")


def test_heat_maps_share_a_scale(figure_of):
    """A number that is small beside those of another panel is pale; infinity is no end of it."""
    panels = {"A": {(1, 8): 0.1}, "B": {(1, 8): 5.0}, "C": {(1, 8): float("inf")}}
    axes, images = heat_maps(figure_of, panels)
    assert [image.get_clim() for image in images] == 3 * [(-5, 5)]
    assert [text.get_color() for one in axes[:2] for text in one.texts] == ["k", "w"]
    _, (image,) = heat_maps(figure_of, {"A": {(1, 8): None}})
    assert image.get_clim() == (-1, 1)


def test_a_heat_map_of_one_column_fills_its_panel_and_a_long_label_is_whole(figure_of):
    cells = {(128, width): 1.0 for width in (32, 64, 128, 256)}
    label = "accuracy by covariance minus by matrix, percentage points"
    figure = figure_of(charts.write_heat_maps, {"ZCA": cells, "CD": cells}, "batch", "width", label)
    figure.draw_without_rendering()
    first, _, bar = figure.axes
    assert first.get_position().width > 0.3
    bounds = bar.yaxis.label.get_window_extent()
    assert figure.bbox.y0 < bounds.y0 and bounds.y1 < figure.bbox.y1
    assert bar.get_ylabel().replace("\n", " ") == label


def test_heat_maps_are_in_columns(figure_of):
    one, two, three = (
        figure_of(charts.write_heat_maps, {name: {(1, 8): 1.0} for name in names}, "x", "y", "%")
        for names in ("A", "AB", "ABC")
    )
    assert two.get_figwidth() == three.get_figwidth() == 2 * one.get_figwidth()
    assert three.get_figheight() == 2 * two.get_figheight() == 2 * one.get_figheight()
    assert [axes.get_visible() for axes in three.axes[:4]] == [True, True, True, False]


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (charts.write_boxes, ({"bn": {"a": [25.0, 60.0, 90.0]}}, {"All": (0, None)}, "FID")),
        (charts.write_bars, ({"A": {"bn": {"pass": 1.0}}}, "ms")),
        (charts.write_rows, ({"A": {"norm_1": {"itn": 1.0}}},)),
        (charts.write_heat_maps, ({"A": {(1, 8): 2.0}}, "batch size", "width", "%")),
    ],
)
def test_a_chart_is_written(tmp_path, function, arguments):
    function(tmp_path / "a.png", *arguments)
    pixels = tf.io.decode_png((tmp_path / "a.png").read_bytes()).numpy().astype(int)
    blue = pixels[..., 2] - pixels[..., 0] > 40
    assert blue.sum() > 1000
    assert (tmp_path / "a.svg").read_text().startswith("<?xml")
