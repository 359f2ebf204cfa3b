"""How all figures look: colours of normalizations, sizes of type, and what files are written."""

import io
import pathlib

from harness.files import write_whole

# A normalization has its colour in every figure. BatchNormalization, to which others are compared,
# is black, and what others are, the cycle of colours says in the order in which they come.
OF_NORMS = {
    "bn": "black",
    "none": "0.6",
    "itn": "C0",
    "zca": "C1",
    "cd": "C2",
    "pca": "C3",
    "unitization": "C4",
    "coloring": "C6",
}
_SETTINGS = {
    "font.size": 10,
    "axes.titlesize": 11,
    "legend.frameon": False,
    # Text stays text in SVG, and the same figure is the same file.
    "svg.fonttype": "none",
    "svg.hashsalt": "tfnorm",
}
VECTORS = (".svg", ".pdf")


def colours(names):
    """A colour for each name: that of its normalization, else the next of the cycle.

    If some name is no normalization's, all take the cycle: no colour is given twice.
    """
    names = list(names)
    if all(name.lower() in OF_NORMS for name in names):
        return {name: OF_NORMS[name.lower()] for name in names}
    return {name: f"C{i}" for i, name in enumerate(names)}


def new_figure(**kwargs):
    """An empty figure; takes what `matplotlib.figure.Figure` does."""
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams.update(_SETTINGS)
    return Figure(layout="constrained", **kwargs)


def name_lines(axes):
    """Names the lines of a panel beside it, where there are several: a legend covers none."""
    if len(axes.get_legend_handles_labels()[1]) > 1:
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1))


def write_figure(path, figure, vectors=True):
    """Writes a figure as PNG and, beside it, as SVG and PDF.

    Args:
        path: the file of the PNG; the others have its name and `VECTORS`.
        figure: of `new_figure`.
        vectors: whether to write these too.
    """
    write_whole(path, _written(figure, "png", dpi=100))
    for ending in VECTORS if vectors else ():
        undated = {"Date" if ending == ".svg" else "CreationDate": None}
        path = pathlib.Path(path).with_suffix(ending)
        write_whole(path, _written(figure, ending[1:], metadata=undated))


def _written(figure, form, **kwargs):
    file = io.BytesIO()
    figure.savefig(file, format=form, **kwargs)
    return file.getvalue()
