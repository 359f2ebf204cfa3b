"""Runs the notebooks of docs/notebooks: `python -m tests.notebooks_check`, a minute on two cores.

Each runs from its first cell to its last in a folder of its own, and fails where a cell does. With
`--write` what the cells print and draw is kept in the notebooks, but for what libraries tell
standard error.
"""

import os
import sys
import tempfile

import nbclient
import nbformat

from tests.sources import ROOT

NOTEBOOKS = sorted((ROOT / "docs/notebooks").glob("*.ipynb"))


def run(path):
    """The notebook, run."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        client = nbclient.NotebookClient(
            notebook, timeout=600, startup_timeout=180, resources=resources
        )
        client.execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # when it ran
        if cell.cell_type == "code":
            cell.outputs = [each for each in cell.outputs if each.get("name") != "stderr"]
    return notebook


def main(write):
    """Runs all; an error of a cell ends the program."""
    # `gan` is imported from the checkout, by the notebook and by the programs that it calls.
    os.environ["PYTHONPATH"] = str(ROOT)
    for path in NOTEBOOKS:
        print(f"running {path.name}", flush=True)
        notebook = run(path)
        if write:
            nbformat.write(notebook, path)


if __name__ == "__main__":
    main("--write" in sys.argv[1:])
