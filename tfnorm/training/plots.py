"""Pictures: grids of images, and curves over steps."""

import numpy as np
import tensorflow as tf

from tfnorm.training.run_directory import write_whole


def image_grid(images, columns=None, gap=2):
    """Lays out images side by side.

    Args:
        images: (n, h, w, 1 or 3), in [-1, 1].
        columns: images in a row; None is about as many as rows.
        gap: pixels between images.

    Returns:
        uint8 (height, width, 1 or 3).
    """
    images = np.asarray(images)
    n, h, w, channels = images.shape
    columns = columns or int(np.ceil(np.sqrt(n)))
    rows = -(-n // columns)
    pixels = np.clip(np.round((images + 1.0) * 127.5), 0, 255).astype(np.uint8)
    grid = np.full((rows * (h + gap) + gap, columns * (w + gap) + gap, channels), 255, np.uint8)
    for i in range(n):
        top, left = gap + i // columns * (h + gap), gap + i % columns * (w + gap)
        grid[top : top + h, left : left + w] = pixels[i]
    return grid


def write_png(path, pixels):
    """Writes uint8 (height, width, 1 or 3) as PNG."""
    write_whole(path, tf.io.encode_png(pixels).numpy())


def write_curves(path, rows, panels, logarithmic=()):
    """Draws values over steps, one panel above the other, as PNG.

    Args:
        path: the file.
        rows: list of dicts with `step`, in order.
        panels: dict from a panel's title to the names of the values in it. A row without a value
            leaves that curve out there.
        logarithmic: titles of panels whose values are positive, and are drawn on such a scale.
    """
    import io

    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3 * len(panels)), layout="constrained")
    for i, (title, names) in enumerate(panels.items()):
        axes = figure.add_subplot(len(panels), 1, i + 1)
        for name in names:
            points = [(row["step"], row[name]) for row in rows if row.get(name) is not None]
            if points:
                axes.plot(*zip(*points, strict=True), marker="." if len(points) < 50 else "")
                axes.lines[-1].set_label(name.replace("_", " "))
        axes.set_title(title)
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
        if title in logarithmic:
            axes.set_yscale("log")
        if len(axes.lines) > 1:
            axes.legend()
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=100)
    write_whole(path, picture.getvalue())
