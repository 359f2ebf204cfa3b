"""How far layers' outputs go while a model is trained, from state to state."""

import statistics

import keras

from tfnorm.analysis.em_distance import layer_distances


class Shift:
    """The distance between a model as it is, and as it was when that was last looked at.

    Args:
        model: a functional or Sequential model.
        layers, estimators, seed: of `em_distance.layer_distances`.

    Attributes:
        before: the model as it was, a copy.
    """

    def __init__(self, model, layers, estimators=None, seed=0):
        self._model = model
        self._layers = layers
        self._estimators = estimators
        self._seed = seed
        # Of weights of their own: those of the model may be spread over devices.
        self.before, self._now = (keras.models.clone_model(model) for _ in range(2))
        self.follow()

    def follow(self):
        """Takes the model as it is for how it was."""
        self.before.set_weights(self._model.get_weights())

    def measure(self, test, training=None):
        """Measures, and then takes the model as it is for how it was.

        Args:
            test, training: samples, see `em_distance.layer_distances`.

        Returns:
            dict with, of each estimator, `shift_ESTIMATOR`, its distance's mean over layers, and
            `shift_ESTIMATOR_null`, that of its null; and both of each layer, with `/LAYER` behind.
        """
        self._now.set_weights(self._model.get_weights())
        states = self.before, self._now
        rows = layer_distances(
            *states, self._layers, test, training, self._estimators, seed=self._seed
        )
        self.follow()
        found = {}
        for name in dict.fromkeys(row.estimator for row in rows):
            own = [row for row in rows if row.estimator == name]
            found[f"shift_{name}"] = statistics.fmean(row.distance for row in own)
            found[f"shift_{name}_null"] = statistics.fmean(row.null for row in own)
        for row in rows:
            found[f"shift_{row.estimator}/{row.layer}"] = row.distance
            found[f"shift_{row.estimator}_null/{row.layer}"] = row.null
        return found


class CovariateShift(keras.callbacks.Callback):
    """A callback of `fit` that measures internal covariate shift in each epoch.

    It adds what `Shift.measure` returns to the epoch's logs, where the history and the callbacks
    after it find it: `shift_sliced`, its null, and both of each layer. Put it before TensorBoard's.

    Args:
        layers: names of layers.
        test, training, estimators, seed: of `em_distance.layer_distances`.
    """

    def __init__(self, layers, test, training=None, estimators=None, seed=0):
        super().__init__()
        self._arguments = layers, estimators, seed
        self._samples = test, training
        self._shift = None

    def on_train_begin(self, logs=None):
        self._shift = Shift(self.model, *self._arguments)

    def on_epoch_end(self, epoch, logs=None):
        logs.update(self._shift.measure(*self._samples))
