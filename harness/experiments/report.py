"""What many runs came to: tables in a directory, with how they came about."""

import csv
import io
import os
import pathlib
import platform
import re

from harness.files import write_whole
from harness.program import load_tensorflow

_IN_LATEX = {letter: f"\\{letter}" for letter in "&%$#_{}"} | {
    "±": r"$\pm$",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
}


class Report:
    """Tables and figures in a directory.

    Args:
        path: the directory.
        title: of the report.
        heading: lines that say how the numbers came about.
    """

    def __init__(self, path, title, heading):
        self.path = pathlib.Path(path)
        self._lines = [f"# {title}", "", *(f"* {line}" for line in heading)]

    def __truediv__(self, name):
        return self.path / name

    def write(self, **tables):
        """Writes tables: each as NAME.csv and NAME.tex, and all below their captions in table.md.

        The .tex file is a tabular, with the rules of the package booktabs.

        Args:
            **tables: by name a caption, and rows, dicts with the same keys; None is no value.
        """
        lines = list(self._lines)
        for name, (caption, rows) in tables.items():
            lines += ["", caption, "", *_markdown(rows)]
            text = io.StringIO()
            writer = csv.DictWriter(text, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
            write_whole(self / f"{name}.csv", text.getvalue())
            write_whole(self / f"{name}.tex", _latex(rows))
        write_whole(self / "table.md", "\n".join(lines) + "\n")


def _markdown(rows):
    cells = [list(rows[0]), ["---"] * len(rows[0])]
    cells += [[_cell(value) for value in row.values()] for row in rows]
    return [f"| {' | '.join(line)} |" for line in cells]


def _latex(rows):
    cells = [[_cell(value) for value in row.values()] for row in rows]
    names, *cells = [" & ".join(map(_escaped, line)) + r" \\" for line in [list(rows[0]), *cells]]
    kinds = "".join("r" if _is_number(column) else "l" for column in _columns(rows))
    return "\n".join(
        [
            rf"\begin{{tabular}}{{{kinds}}}",
            r"\toprule",
            names,
            r"\midrule",
            *cells,
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def _columns(rows):
    return zip(*(row.values() for row in rows), strict=True)


def _is_number(column):
    return all(isinstance(value, int | float | None) for value in column)


def _escaped(text):
    return re.sub(r"[&%$#_{}±~^\\]", lambda found: _IN_LATEX[found[0]], text)


def _cell(value):
    if value is None:
        return "-"
    return f"{value:#.4g}" if isinstance(value, float) else str(value)


def machine():
    """What this machine is, in a line."""
    load_tensorflow()
    import tensorflow as tf

    processor = platform.processor() or platform.machine()
    information = pathlib.Path("/proc/cpuinfo")
    if information.exists():
        model = re.search(r"^model name\s*:\s*(.+)$", information.read_text(), re.MULTILINE)
        processor = model[1] if model else processor
    devices = [device.name for device in tf.config.list_logical_devices("GPU")]
    return ", ".join(
        [processor, f"{os.cpu_count()} cores", *devices, f"TensorFlow {tf.__version__}"]
    )
