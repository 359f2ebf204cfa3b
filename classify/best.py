"""The network of a run's best evaluation."""

import math
import zipfile

from harness.errors import Diverged
from harness.files import whole_file
from harness.networks import size_in_bytes


class Best:
    """Keeps the network of the best evaluation as `best.keras`, without its input scaling.

    Args:
        model: the network.
        directory: the `RunDirectory`.
        history: the run's `History`, which knows the best accuracy so far.
    """

    def __init__(self, model, directory, history):
        self._model = model
        measured = (row.get("test_accuracy") for row in history.rows())
        self._accuracy = max((value for value in measured if isinstance(value, float)), default=-1)
        self._file = directory / "best.keras"
        if self._accuracy >= 0 and directory.writes and not _is_whole(self._file):
            print(f"{self._file} is damaged or gone: it will be the best network from here on.")
            self._accuracy = -1

    def __call__(self, result):
        """Returns an evaluation's result; raises `Diverged` if its loss is not finite."""
        if not math.isfinite(result["test_loss"]):
            raise Diverged(
                f"The loss on test images is {result['test_loss']}: the run stops. A smaller "
                "learning rate may help."
            )
        if result["test_accuracy"] > self._accuracy:
            self._accuracy = result["test_accuracy"]
            with whole_file(self._file, size_in_bytes(self._model)) as aside:
                self._model.save(aside)
        return result


def _is_whole(path):
    """Whether a file is a zip archive, as Keras writes it, whose checksums are right."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except Exception:  # Damaged files surface as one of many types.
        return False
