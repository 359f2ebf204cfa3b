"""Draws the benchmark's figures; matplotlib is loaded only here."""

import io
import os
import pathlib
import typing

from tfnorm.benchmark.candidates import KERAS
from tfnorm.benchmark.ending import write_whole

# As in all figures of the project, which harness.figures.style draws.
_COLOURS = {"itn": "C0", "zca": "C1", "cd": "C2", "pca": "C3", "coloring": "C6"}
# Text stays text in SVG, and the same figure is the same file.
_SETTINGS: typing.Any = {"svg.fonttype": "none", "svg.hashsalt": "tfnorm"}


def draw_group_sizes(path: str | os.PathLike[str], results: list[dict[str, typing.Any]]) -> None:
    """Draws, for each input shape and method, forward + backward over the group size.

    Args:
        path: of a PNG, beside which the same is written as SVG; nothing is written where no row
            has a group size.
        results: rows of `measuring.benchmark`, with `forward_backward`.
    """
    panels, keras_times = {}, {}
    for row in results:
        shape, time = "x".join(map(str, row["shape"])), row["forward_backward"]
        if row["group_size"] is not None:
            lines = panels.setdefault(shape, {})
            lines.setdefault(row["layer"], []).append((row["group_size"], time))
        elif row["layer"] == KERAS:
            keras_times[shape] = time
    if not panels:
        return
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator

    figure = Figure(figsize=(8, 3.4 * len(panels)), layout="constrained")
    for axes, (shape, lines) in zip(
        figure.subplots(len(panels), squeeze=False)[:, 0], panels.items(), strict=True
    ):
        for label, points in lines.items():
            colour = _COLOURS.get(label)
            axes.plot(*zip(*points, strict=True), marker=".", label=label, color=colour)
        axes.axhline(1.0, color="black", label="fused kernel")
        if shape in keras_times:
            axes.axhline(
                keras_times[shape], color="0.4", linestyle=":", label="Keras' BatchNormalization"
            )
        sizes = sorted({size for points in lines.values() for size, _ in points})
        axes.set_xscale("log", base=2)
        axes.set_yscale("log", base=2, subs=[])
        axes.yaxis.set_major_locator(LogLocator(base=2, subs=[1.0, 1.5], numticks=20))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.set_title(f"{shape}, forward + backward")
        axes.set_xlabel("channels in a group")
        axes.set_ylabel("time, the fused kernel's = 1")
        axes.grid(alpha=0.3)
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    pixels, vectors = io.BytesIO(), io.BytesIO()
    with matplotlib.rc_context(_SETTINGS):
        figure.savefig(pixels, format="png", dpi=100)
        figure.savefig(vectors, format="svg", metadata={"Date": None})
    write_whole(path, pixels.getvalue())
    write_whole(pathlib.Path(path).with_suffix(".svg"), vectors.getvalue())
