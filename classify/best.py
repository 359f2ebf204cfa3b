"""The network of a run's best evaluation."""

import math

from harness.errors import Diverged


class Best:
    """Keeps the network of the best evaluation as `best.keras`, without its input scaling.

    Args:
        model: the network.
        directory: the `RunDirectory`.
        history: the run's `History`, which knows the best accuracy so far.
    """

    def __init__(self, model, directory, history):
        self._model = model
        self._directory = directory
        self._accuracy = max(
            (row.get("test_accuracy", -1.0) for row in history.rows()), default=-1.0
        )

    def __call__(self, result):
        """Returns an evaluation's result; raises `Diverged` if its loss is not finite."""
        if not math.isfinite(result["test_loss"]):
            raise Diverged(
                f"The loss on test images is {result['test_loss']}: the run stops. A smaller "
                "learning rate may help."
            )
        if result["test_accuracy"] > self._accuracy:
            self._accuracy = result["test_accuracy"]
            aside = self._directory / ".best.keras"
            self._model.save(aside)
            aside.replace(self._directory / "best.keras")
        return result
