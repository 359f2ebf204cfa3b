"""The result of a job that trains: the last row of its run's history, in a file of its own.

It is what a report is of, so that one can be written from it, the configurations and the histories
alone, without any network.
"""

from harness import sealed
from harness.errors import UserError
from harness.run.directory import History

PRODUCT = "result.json"


def write_result(directory):
    """Writes the result of a complete run to its `RunDirectory`."""
    history = History(directory)
    rows = history.rows()
    if not rows:
        raise UserError(f"The run is complete, but {history.path} is empty.")
    sealed.write(directory / PRODUCT, rows[-1])
