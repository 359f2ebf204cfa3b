"""Covariate shift: how far layers' outputs go while a model is trained, from state to state."""

import collections.abc
import random
import statistics
import typing

import keras

from tfnorm import copying
from tfnorm.analysis.em_distance import Estimators, chosen_estimators, layer_distances
from tfnorm.analysis.layer_outputs import layer_tensors


class Shift:
    """The distance between a model as it is, and as it was when that was last looked at.

    ```python
    from tfnorm.analysis.covariate_shift import Shift
    from tfnorm.analysis.em_distance import SlicedDistance

    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, name="first")])
    shift = Shift(model, ["first"], {"sliced": SlicedDistance()})
    model.layers[0].bias.assign_add([1.0, 0.0, 0.0, 0.0])
    logs = shift.measure(np.random.normal(size=(100, 8)))
    assert np.isclose(logs["shift_sliced"], 1.0, atol=0.1)
    ```

    Args:
        model: a functional or Sequential model.
        layers, estimators: of `em_distance.layer_distances`.
        **options: its other keyword arguments: `batch_size`, `memory`, `seed`.

    Attributes:
        before: the model as it was, a copy.
    """

    def __init__(
        self,
        model: keras.Model,
        layers: collections.abc.Sequence[str],
        estimators: Estimators | None = None,
        **options: typing.Any,
    ) -> None:
        layer_tensors(model, layers)  # fails here if there are no such layers
        self._model = model
        self._arguments = {"layers": layers, "estimators": estimators} | options
        # Of weights of their own: those of the model may be spread over devices.
        self.before: keras.Model
        self.before, self._now = _two_copies(model)
        self.follow()

    def follow(self) -> None:
        """Takes the model as it is for how it was."""
        self.before.set_weights(self._model.get_weights())

    def measure(self, test: typing.Any, training: typing.Any = None) -> dict[str, float]:
        """Measures, and then takes the model as it is for how it was.

        Args:
            test, training: samples, see `em_distance.layer_distances`.

        Returns:
            dict with, of each estimator, `shift_ESTIMATOR`, its distance's mean over layers, and
            `shift_ESTIMATOR_null`, that of its null; and both of each layer, with `/LAYER` behind.
        """
        self._now.set_weights(self._model.get_weights())
        samples = {"test": test, "training": training}
        rows = layer_distances(self.before, self._now, **samples, **self._arguments)
        self.follow()
        logs = {}
        for name in dict.fromkeys(row.estimator for row in rows):
            own = [row for row in rows if row.estimator == name]
            logs[f"shift_{name}"] = statistics.fmean(row.distance for row in own)
            logs[f"shift_{name}_null"] = statistics.fmean(row.null for row in own)
        for row in rows:
            logs[f"shift_{row.estimator}/{row.layer}"] = row.distance
            logs[f"shift_{row.estimator}_null/{row.layer}"] = row.null
        return logs


def _two_copies(model: keras.Model) -> list[keras.Model]:
    """Two copies of a model, made without a trace in Python's random numbers."""
    state = random.getstate()
    try:
        return [copying.copy_model(model) for _ in range(2)]
    finally:
        random.setstate(state)


class CovariateShift(keras.callbacks.Callback):
    """A callback of `fit` that measures internal covariate shift in each epoch.

    It adds what `Shift.measure` returns to the epoch's logs, where the history and the callbacks
    after it find it: `shift_sliced`, its null, and both of each layer. Put it before TensorBoard's.

    ```python
    from tfnorm.analysis.covariate_shift import CovariateShift
    from tfnorm.analysis.em_distance import SlicedDistance

    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, name="first")])
    model.compile("sgd", "mse")
    x = np.random.normal(size=(100, 8))
    callback = CovariateShift(["first"], x, estimators={"sliced": SlicedDistance()})
    history = model.fit(x, x[:, :4], epochs=2, verbose=0, callbacks=[callback]).history
    assert len(history["shift_sliced"]) == 2
    ```

    Args:
        layers, test, training, estimators: of `em_distance.layer_distances`.
        **options: its other keyword arguments: `batch_size`, `memory`, `seed`.
    """

    def __init__(
        self,
        layers: collections.abc.Sequence[str],
        test: typing.Any,
        training: typing.Any = None,
        estimators: Estimators | None = None,
        **options: typing.Any,
    ) -> None:
        super().__init__()
        self._arguments = {"layers": layers, "estimators": estimators} | options
        self._samples = test, training
        self._shift: Shift  # once training begins
        chosen_estimators(estimators, training)  # fails here if they cannot be

    def on_train_begin(self, logs: dict[str, typing.Any] | None = None) -> None:
        model: typing.Any = self.model
        self._shift = Shift(model, **self._arguments)

    def on_epoch_begin(self, epoch: int, logs: dict[str, typing.Any] | None = None) -> None:
        self._shift.follow()

    def on_epoch_end(self, epoch: int, logs: dict[str, typing.Any] | None = None) -> None:
        shift = self._shift.measure(*self._samples)
        if logs is not None:
            logs.update(shift)
