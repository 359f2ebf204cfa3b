"""Lines: values over steps or sizes."""

import numpy as np

from harness.figures.style import colours, name_lines, new_figure, write_figure

# Of fewer points than these each is marked.
_MARKED = 50
# A smoothed line is of means over such a share of its points.
_SMOOTHED = 1 / 20


def write_curves(path, rows, panels, logarithmic=(), pictures=(), smoothed=()):
    """Draws values over steps, one panel above the other, and pictures below, as PNG.

    Args:
        path: the file.
        rows: list of dicts with `step`, in order.
        panels: dict from a panel's title to the names of the values in it. A row without a value
            leaves that curve out there.
        logarithmic: titles of panels whose values are positive, and are drawn on such a scale.
        pictures: see `write_lines`.
        smoothed: names of values that are of single batches, see `write_lines`.
    """
    points = {
        title: {
            _label(name): [
                (row["step"], row[name]) for row in rows if isinstance(row.get(name), int | float)
            ]
            for name in names
        }
        for title, names in panels.items()
    }
    write_lines(
        path,
        points,
        "step",
        logarithmic=logarithmic,
        pictures=pictures,
        smoothed=[_label(name) for name in smoothed],
        vectors=False,
    )


def _label(name):
    return name.replace("_", " ")


def write_lines(
    path,
    panels,
    x_label,
    y_label=None,
    *,
    logarithmic=(),
    logarithmic_x=False,
    powers_of_2=False,
    whole_x=False,
    marks=(),
    dashed=None,
    ranges=None,
    pictures=(),
    smoothed=(),
    vectors=True,
):
    """Draws lines, one panel above the other, as PNG and SVG.

    A label has one colour in all panels.

    Args:
        path: the file.
        panels: dict from a panel's title to a dict from a line's label to its points (x, y).
        x_label, y_label: what the axes are, with their units.
        logarithmic: titles of panels that have y on such a scale. A negative y stands at its size
            there, as a hollow point; zero is left out.
        logarithmic_x: whether x are positive, and are drawn on such a scale.
        powers_of_2: whether x are sizes that double, and are drawn so.
        whole_x: whether the axis has whole numbers, as epochs.
        marks: x at which something happens, drawn as dotted lines.
        dashed: dict from a line's label to that of the line whose colour it has, dashed.
        ranges: dict from a panel's title to a dict from a line's label to (x, low, high), between
            which it is shaded in the line's colour.
        pictures: pairs of a title and uint8 pixels (height, width, 1 or 3), side by side below.
        smoothed: labels of lines that are drawn faint and, on top, as means of points side by side,
            where there are `_MARKED` or more: what they say is in the noise else.
        vectors: whether to write SVG too.
    """
    from matplotlib.ticker import LogFormatter, MaxNLocator

    dashed = dashed or {}
    labels = dict.fromkeys(label for lines in panels.values() for label in lines)
    colour = colours(label for label in labels if label not in dashed)
    colour |= {label: colour[other] for label, other in dashed.items() if label in labels}
    heights = [3.0] * len(panels)
    if pictures:
        heights.append(8.0 / len(pictures) + 0.4)
    figure = new_figure(figsize=(8, sum(heights)))
    places = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    for i, (title, lines) in enumerate(panels.items()):
        axes = figure.add_subplot(places[i])
        for label, points in lines.items():
            if title in logarithmic:
                points = [(x, y) for x, y in points if y]
            if points:
                style = "--" if label in dashed else "-"
                if label in smoothed and len(points) >= _MARKED:
                    axes.plot(*zip(*points, strict=True), color=colour[label], alpha=0.25)
                    width = 2 * round(len(points) * _SMOOTHED / 2) + 1
                    points, named = _means(points, width), f"{label},\nmean of {width}"
                else:
                    named = label
                _draw_line(axes, named, points, colour[label], style, title in logarithmic)
        for label, reach in (ranges or {}).get(title, {}).items():
            if reach:
                x, low, high = zip(*reach, strict=True)
                axes.fill_between(x, low, high, color=colour[label], alpha=0.2, linewidth=0)
        axes.set_title(title)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label or "")
        axes.grid(alpha=0.3)
        for x in marks:
            axes.axvline(x, color="0.4", linestyle=":")
        if title in logarithmic:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(LogFormatter())
            axes.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1, 0.4)))
        if whole_x:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if logarithmic_x:
            axes.set_xscale("log")
        if powers_of_2:
            axes.set_xscale("log", base=2)
            ticks = sorted(
                {x for panel in panels.values() for line in panel.values() for x, _ in line}
            )
            axes.set_xticks(ticks, [str(tick) for tick in ticks])
            if ticks:
                axes.set_xlim(ticks[0] / 1.2, ticks[-1] * 1.2)
        name_lines(axes)
    for i, (title, pixels) in enumerate(pictures):
        axes = figure.add_subplot(places[-1].subgridspec(1, len(pictures))[i])
        axes.imshow(pixels.squeeze(), cmap="gray", vmin=0, vmax=255)
        axes.set_title(title)
        axes.axis("off")
    write_figure(path, figure, vectors)


def _means(points, width):
    """Means of `width` points around each; at the ends, of those that are there."""
    xs, ys = np.array(points, np.float64).T
    count = np.convolve(np.ones(len(ys)), np.ones(width), "same")
    return list(zip(xs, np.convolve(ys, np.ones(width), "same") / count, strict=True))


def _draw_line(axes, label, points, colour, style, by_size):
    """Draws a line and, of few points, each; if `by_size`, of a negative y its size, hollow."""
    xs, ys = zip(*points, strict=True)
    heights = [abs(y) for y in ys] if by_size else ys
    axes.plot(xs, heights, style, color=colour, label=label)
    if len(points) < _MARKED:
        below = [by_size and y < 0 for y in ys]
        for hollow, face in ((False, colour), (True, "white")):
            there = [(x, y) for x, y, b in zip(xs, heights, below, strict=True) if b == hollow]
            if there:
                size = 5 if hollow else 3
                axes.plot(
                    *zip(*there, strict=True),
                    "o",
                    color=colour,
                    markerfacecolor=face,
                    markersize=size,
                )
