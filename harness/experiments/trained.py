"""The result of a job that trains: the last row of its run's history, in a file of its own.

It is what a report is of, so that one can be written from it, the configurations and the histories
alone, without any network.
"""

import json

from harness.errors import UserError
from harness.files import write_whole
from harness.run.directory import History

PRODUCT = "result.json"


def write_result(directory):
    """Writes the result of a complete run to its `RunDirectory`."""
    history = History(directory)
    rows = history.rows()
    if not rows:
        raise UserError(f"The run is complete, but {history.path} is empty.")
    write_whole(directory / PRODUCT, json.dumps(rows[-1]) + "\n")
