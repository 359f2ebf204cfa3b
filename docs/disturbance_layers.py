"""Draws the figure of docs/disturbance.md over the layers of trained networks, from their rows.

`python -m docs.disturbance_layers`, in a checkout, reads docs/disturbance_layers/seed_*.csv, each
the layers.csv that `classify.experiment --name=disturbance --sweeps=layers` writes of one network,
and writes figure.svg beside them.
"""

import csv
import pathlib
import shutil
import tempfile

from harness.figures.charts import write_rows

FOLDER = pathlib.Path(__file__).with_suffix("")
PANELS = {
    "disturbance": "Disturbance\nover the root of the elements",
    "condition number": "Condition number of\nthe output's covariance",
    "deviation": "Deviation of the output's\ncovariance from the identity",
}


def rows_of_seeds():
    """The rows of each network, by its name, as `seed 0`."""
    rows = {}
    for path in sorted(FOLDER.glob("seed_*.csv")):
        with open(path, newline="") as file:
            rows[path.stem.replace("_", " ")] = list(csv.DictReader(file))
    return rows


def panels(rows):
    """A panel for each measure: by layer, of each seed, the number; None where it is infinite."""
    layers = dict.fromkeys(row["layer"] for seed in rows.values() for row in seed)
    values = {
        (seed, row["layer"], measure): float(row[measure]) if row[measure] else None
        for seed, of_seed in rows.items()
        for row in of_seed
        for measure in PANELS
    }
    return {
        title: {layer: {seed: values[seed, layer, measure] for seed in rows} for layer in layers}
        for measure, title in PANELS.items()
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        picture = pathlib.Path(folder) / "figure.png"
        logarithmic = [PANELS["condition number"], PANELS["deviation"]]
        write_rows(picture, panels(rows_of_seeds()), logarithmic=logarithmic, missing="infinite")
        shutil.copy(picture.with_suffix(".svg"), FOLDER / "figure.svg")
