"""Draws the figure of docs/choosing.md, time against group size, from its rows.

`python -m docs.group_size`, in a checkout, reads docs/speed/benchmark.json, which
`python -m tfnorm.benchmark --out=DIR` has written, and writes group_size.svg beside it.
"""

import json
import pathlib
import shutil
import tempfile

from tfnorm.benchmark.picture import draw_group_sizes

FOLDER = pathlib.Path(__file__).with_name("speed")

if __name__ == "__main__":
    rows = json.loads((FOLDER / "benchmark.json").read_text())["results"]
    with tempfile.TemporaryDirectory() as folder:
        picture = pathlib.Path(folder) / "group_size.png"
        draw_group_sizes(picture, rows)
        shutil.copy(picture.with_suffix(".svg"), FOLDER)
