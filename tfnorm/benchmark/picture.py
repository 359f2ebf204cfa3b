"""Draws the benchmark's figures; matplotlib is loaded only here."""

import os
import typing


def draw_group_sizes(path: str | os.PathLike[str], results: list[dict[str, typing.Any]]) -> None:
    """Draws, for each input shape and method, the time over the group size, as PNG.

    Args:
        path: the file; nothing is written where no row has a group size.
        results: rows of `measuring.benchmark`.
    """
    panels = {}
    for row in results:
        if row["group_size"] is not None:
            lines = panels.setdefault("x".join(map(str, row["shape"])), {})
            lines.setdefault(row["layer"], []).append((row["group_size"], row["forward_backward"]))
    if not panels:
        return
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3 * len(panels)), layout="constrained")
    for axes, (shape, lines) in zip(
        figure.subplots(len(panels), squeeze=False)[:, 0], panels.items(), strict=True
    ):
        for label, points in lines.items():
            axes.plot(*zip(*points, strict=True), marker=".", label=label)
        sizes = sorted({size for points in lines.values() for size, _ in points})
        axes.axhline(1.0, color="0.4", linestyle=":", label="BatchNormalization")
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.set_title(f"{shape}, forward + backward")
        axes.set_xlabel("channels in a group")
        axes.set_ylabel("times BatchNormalization's")
        axes.grid(alpha=0.3)
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    figure.savefig(path, format="png", dpi=100)
