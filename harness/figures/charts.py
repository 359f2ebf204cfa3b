"""Numbers in groups, as boxes, bars and tables of colours."""

import statistics
import textwrap

import numpy as np

from harness.figures.style import colours, new_figure, write_figure

# Quartiles of fewer values are between one and the next.
_BOX = 3
# Characters of a label along the height of a panel.
_LABEL = 40


def write_boxes(path, boxes, panels, y_label, medians=None, missing="missing"):
    """Draws how values are spread: quartiles, whiskers to the ends, and each value as a point.

    Of fewer than `_BOX` values there is no box, but the points and their median. A panel reaches as
    far up as its highest box, and says how many points are above it.

    Args:
        path: the file.
        boxes: dict from a label on the x axis to a dict from a series, which has a colour, to its
            values, a list with None where there is none.
        panels: dict from a panel's title to the range of y that it shows, (low, high), a None in it
            being the end of the values; they are drawn one above the other.
        y_label: what the values are, with their unit.
        medians: dict from (label, series) to the median that is drawn, as the table beside has it,
            or None for none; without this dict it is that of the values that are there.
        missing: what a None is, said with their number above a box that has some.
    """
    colour_of = colours(_series(boxes))
    figure = new_figure(figsize=(max(8, 1.2 * len(boxes) + 2), 4 * len(panels)))
    for i, (title, limits) in enumerate(panels.items()):
        axes = figure.add_subplot(len(panels), 1, i + 1)
        axes.set_title(title)
        low, high = _reach(boxes, limits)
        for label, (x, width, series, values) in _labelled(boxes):
            there = [value for value in values if value is not None]
            said = []
            if len(there) < len(values):
                said.append(f"{len(values) - len(there)} {missing}")
            if there:
                median = statistics.median(there) if medians is None else medians[label, series]
                _draw_box(axes, x, 0.7 * width, there, median, colour_of[series])
                above = sum(high is not None and value > high for value in there)
                said += [f"{above} above"] * bool(above)
            if said:
                axes.set_title(title, pad=24)
                axes.text(
                    x,
                    1.01,
                    "\n".join(said),
                    transform=axes.get_xaxis_transform(),
                    horizontalalignment="center",
                    fontsize=7,
                    color=colour_of[series],
                )
        _label_axes(axes, boxes, y_label)
        axes.set_ylim(low, high)
    _name_colours(figure, colour_of)
    write_figure(path, figure)


def _labelled(groups):
    labels = [label for label, group in groups.items() for _ in group]
    return zip(labels, _places(groups), strict=True)


def _reach(boxes, limits):
    """The limits, the upper one not below a box."""
    low, high = limits
    if high is not None:
        tops = [
            np.quantile(there, 0.75)
            for group in boxes.values()
            for values in group.values()
            if (there := [value for value in values if value is not None])
        ]
        high = max([high, *(1.05 * top for top in tops)])
    return low, high


def _draw_box(axes, x, width, values, median, colour):
    if len(values) >= _BOX:
        axes.boxplot(
            [values],
            positions=[x],
            widths=width,
            whis=(0, 100),
            patch_artist=True,
            boxprops={"facecolor": colour, "alpha": 0.3},
            medianprops={"linewidth": 0},
        )
    if median is not None and len(values) > 1:
        axes.plot([x - width / 2, x + width / 2], [median] * 2, color=colour, linewidth=2)
    axes.plot([x] * len(values), values, ".", color=colour, markersize=5)


def write_bars(path, panels, y_label):
    """Draws numbers as bars, one panel above the other, as PNG and SVG.

    Args:
        path: the file.
        panels: dict from a panel's title to a dict from a label on the x axis to a dict from a
            series, which has a colour, to its number, or None.
        y_label: what the numbers are, with their unit.
    """
    colour_of = colours(dict.fromkeys(name for bars in panels.values() for name in _series(bars)))
    widest = max(len(bars) for bars in panels.values())
    figure = new_figure(figsize=(max(8, 0.9 * widest + 2), 3.2 * len(panels)))
    for i, (title, bars) in enumerate(panels.items()):
        axes = figure.add_subplot(len(panels), 1, i + 1)
        axes.set_title(title)
        for x, width, series, number in _places(bars):
            if number is not None:
                drawn = axes.bar(x, number, 0.9 * width, color=colour_of[series])
                axes.bar_label(drawn, fmt="%.3g", fontsize=8)
        axes.margins(y=0.12)
        _label_axes(axes, bars, y_label)
    _name_colours(figure, colour_of)
    write_figure(path, figure)


def write_rows(path, panels, *, logarithmic=(), missing="missing"):
    """Draws numbers as bars to the right, from the top down, panels side by side, as PNG and SVG.

    Args:
        path: the file.
        panels: dict from a panel's title to a dict from a row's label, the same in each panel, to
            a dict from a series, which has a colour, to its number, or None.
        logarithmic: titles of panels whose numbers are positive, and are drawn on such a scale.
        missing: what a None is, said in the place of its bar.
    """
    colour_of = colours(dict.fromkeys(name for bars in panels.values() for name in _series(bars)))
    labels = list(next(iter(panels.values())))
    size = (3 + 3 * len(panels), 1.3 + 0.18 * max(len(labels), 8))
    figure = new_figure(figsize=size)
    places = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (title, bars) in zip(places, panels.items(), strict=True):
        axes.set_title(title, fontsize=10)
        for y, height, series, number in _places(bars):
            colour = colour_of[series]
            if number is not None:
                axes.barh(y, number, 0.9 * height, color=colour)
            else:
                where = axes.get_yaxis_transform()
                axes.text(0.01, y, missing, transform=where, va="center", size=7, color=colour)
        if title in logarithmic:
            there = [x for row in bars.values() for x in row.values() if x is not None] or [1.0]
            least, greatest = np.floor(np.log10([min(there), max(there)]))
            axes.set_xscale("log")
            axes.set_xlim(10**least, 10 ** (greatest + 1))
            axes.xaxis.set_minor_formatter("")
        else:
            axes.locator_params(axis="x", nbins=5)
        axes.grid(alpha=0.3, axis="x")
        axes.set_axisbelow(True)
    places[0].set_yticks(range(len(labels)), labels, fontsize=8)
    places[0].set_ylim(len(labels) - 0.4, -0.6)
    _name_colours(figure, colour_of)
    write_figure(path, figure)


def write_heat_maps(path, panels, x_label, y_label, value_label, columns=2):
    """Draws tables of numbers as colours, zero white, all on one scale, as PNG and SVG.

    Args:
        path: the file.
        panels: dict from a panel's title to a dict from (x, y) to a number, or None where there is
            none.
        x_label, y_label: what x and y are, with their units.
        value_label: what the numbers are, with their unit.
        columns: panels side by side.
    """
    numbers = [value for cells in panels.values() for value in cells.values() if value is not None]
    limit = max([abs(value) for value in numbers if np.isfinite(value)], default=0) or 1.0
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    figure = new_figure(figsize=(5.5 * columns, 4.2 * rows))
    places = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in places[len(panels) :]:
        axes.set_visible(False)
    for axes, (title, cells) in zip(places, panels.items(), strict=False):
        xs, ys = (sorted({key[i] for key in cells}) for i in range(2))
        values = [[cells.get((x, y)) for x in xs] for y in ys]
        drawn = axes.imshow(
            np.array(values, np.float64),
            cmap="RdBu",
            vmin=-limit,
            vmax=limit,
            origin="lower",
            aspect="auto",
        )
        for i, j in np.ndindex(len(ys), len(xs)):
            value = values[i][j]
            if (xs[j], ys[i]) in cells:
                text = "-" if value is None else f"{value:.3g}"
                dark = value is not None and abs(value) > 0.6 * limit
                axes.text(j, i, text, ha="center", va="center", color="w" if dark else "k")
        axes.set_xticks(range(len(xs)), xs)
        axes.set_yticks(range(len(ys)), ys)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        axes.set_title(title)
    label = textwrap.fill(value_label, _LABEL)
    figure.colorbar(drawn, ax=places[: len(panels)], label=label)
    write_figure(path, figure)


def _series(groups):
    """Lists the names of the series in all groups, in order."""
    return list(dict.fromkeys(name for group in groups.values() for name in group))


def _places(groups):
    """Places things side by side around their group's integer: yields (x, width, series, thing)."""
    width = 0.8 / max(map(len, groups.values()))
    for position, group in enumerate(groups.values()):
        left = position - width * (len(group) - 1) / 2
        for i, (name, thing) in enumerate(group.items()):
            yield left + i * width, width, name, thing


def _label_axes(axes, groups, y_label):
    """Puts the groups' labels at integers, and a grid behind."""
    axes.set_xticks(range(len(groups)), list(groups))
    axes.set_xlim(-0.6, len(groups) - 0.4)
    axes.set_ylabel(y_label)
    axes.grid(alpha=0.3, axis="y")
    axes.set_axisbelow(True)


def _name_colours(figure, colour_of):
    from matplotlib.patches import Patch

    if len(colour_of) > 1:
        patches = [Patch(color=c, alpha=0.6, label=name) for name, c in colour_of.items()]
        figure.legend(handles=patches, loc="outside lower center", ncols=len(colour_of))
