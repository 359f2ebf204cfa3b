"""Lines: values over steps or sizes."""

from harness.files import write_whole

# Of more lines in a panel the legend is beside it, as it would cover some.
_LINES_WITH_ROOM = 3


def write_curves(path, rows, panels, logarithmic=(), pictures=()):
    """Draws values over steps, one panel above the other, and pictures below, as PNG.

    Args:
        path: the file.
        rows: list of dicts with `step`, in order.
        panels: dict from a panel's title to the names of the values in it. A row without a value
            leaves that curve out there.
        logarithmic: titles of panels whose values are positive, and are drawn on such a scale.
        pictures: see `write_lines`.
    """
    points = {
        title: {
            name.replace("_", " "): [
                (row["step"], row[name]) for row in rows if isinstance(row.get(name), int | float)
            ]
            for name in names
        }
        for title, names in panels.items()
    }
    write_lines(path, points, "step", logarithmic=logarithmic, pictures=pictures)


def write_lines(
    path,
    panels,
    x_label,
    y_label=None,
    *,
    logarithmic=(),
    logarithmic_x=False,
    powers_of_2=False,
    marks=(),
    pictures=(),
):
    """Draws lines, one panel above the other, as PNG.

    Args:
        path: the file.
        panels: dict from a panel's title to a dict from a line's label to its points (x, y).
        x_label, y_label: what the axes are, with their units.
        logarithmic: titles of panels whose y are positive, and are drawn on such a scale.
        logarithmic_x: whether x are positive, and are drawn on such a scale.
        powers_of_2: whether x are sizes that double, and are drawn so.
        marks: x at which something happens, drawn as dotted lines.
        pictures: pairs of a title and uint8 pixels (height, width, 1 or 3), side by side below.
    """
    from matplotlib.figure import Figure

    heights = [3.0] * len(panels)
    if pictures:
        heights.append(8.0 / len(pictures) + 0.4)
    figure = Figure(figsize=(8, sum(heights)), layout="constrained")
    places = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    for i, (title, lines) in enumerate(panels.items()):
        axes = figure.add_subplot(places[i])
        for label, points in lines.items():
            if points:
                marker = "." if len(points) < 50 else ""
                axes.plot(*zip(*points, strict=True), marker=marker, label=label)
        axes.set_title(title)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label or "")
        axes.grid(alpha=0.3)
        for x in marks:
            axes.axvline(x, color="0.4", linestyle=":")
        if title in logarithmic:
            axes.set_yscale("log")
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
        drawn = sum(map(bool, lines.values()))
        if drawn > _LINES_WITH_ROOM:
            axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
        elif drawn > 1:
            axes.legend()
    for i, (title, pixels) in enumerate(pictures):
        axes = figure.add_subplot(places[-1].subgridspec(1, len(pictures))[i])
        axes.imshow(pixels.squeeze(), cmap="gray", vmin=0, vmax=255)
        axes.set_title(title)
        axes.axis("off")
    write_figure(path, figure)


def write_figure(path, figure):
    """Writes a matplotlib figure as PNG."""
    import io

    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=100)
    write_whole(path, picture.getvalue())
