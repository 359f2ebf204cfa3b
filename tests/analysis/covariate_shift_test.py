"""Covariate shift in the course of `fit`, against distances between states that were kept."""

import random

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfnorm.analysis.covariate_shift import CovariateShift, Shift
from tfnorm.analysis.critic_distance import ClippedCritic
from tfnorm.analysis.em_distance import SlicedDistance, layer_distances

RNG = np.random.default_rng(0)
IMAGES, LABELS = RNG.normal(size=(24, 5)).astype("float32"), RNG.integers(3, size=24)
LAYERS = ["first", "second"]
SLICED = {"sliced": SlicedDistance(projections=10)}


class Keep(keras.callbacks.Callback):
    """Keeps the model at the start and after each epoch."""

    def __init__(self):
        super().__init__()
        self.states = []

    def keep(self, *arguments):
        self.states.append(keras.models.clone_model(self.model))
        self.states[-1].set_weights(self.model.get_weights())

    on_train_begin = on_epoch_end = keep


def fit(*callbacks):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(4, name="first"),
            keras.layers.BatchNormalization(name="second"),
            keras.layers.Dense(3),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.5), loss)
    history = model.fit(
        IMAGES, LABELS, batch_size=8, epochs=3, verbose=0, callbacks=list(callbacks)
    )
    return model, history.history


def test_logs(tmp_path):
    keep, csv = Keep(), keras.callbacks.CSVLogger(tmp_path / "log.csv")
    shift = CovariateShift(LAYERS, IMAGES, estimators=SLICED)
    model, history = fit(shift, keep, csv)
    for epoch in range(3):
        states = keep.states[epoch : epoch + 2]
        rows = layer_distances(*states, LAYERS, IMAGES, estimators=SLICED)
        for row in rows:
            assert history[f"shift_sliced/{row.layer}"][epoch] == pytest.approx(row.distance)
            assert history[f"shift_sliced_null/{row.layer}"][epoch] == pytest.approx(row.null)
        mean = np.mean([row.distance for row in rows])
        assert history["shift_sliced"][epoch] == pytest.approx(mean)
    assert "shift_sliced_null" in (tmp_path / "log.csv").read_text().splitlines()[0]
    random.seed(5)
    expected = random.random()
    random.seed(5)
    fit_again = CovariateShift(LAYERS, IMAGES, estimators=SLICED)
    fit_again.set_model(model)
    fit_again.on_train_begin()
    assert random.random() == expected  # copies are made without drawing from it
    without, plain = fit()
    assert plain["loss"] == history["loss"]
    for one, other in zip(model.get_weights(), without.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_model_of_words_and_functions():
    scale = 3.0
    words = keras.layers.StringLookup(output_mode="multi_hot")
    words.adapt(["a", "b", "b"])
    x = keras.Input((2,), dtype="string")
    y = keras.layers.Lambda(lambda x: tf.cast(x, tf.float32) / scale)(words(x))
    model = keras.Model(x, keras.layers.Dense(3, name="first")(y))
    shift = Shift(model, ["first"], SLICED)
    samples = tf.constant([["a", "b"], ["b", "b"], ["a", "c"]])
    np.testing.assert_array_equal(shift.before(samples), model(samples))
    dense = model.get_layer("first")
    dense.bias.assign(dense.bias + [3.0, 0.0, -4.0])
    assert shift.measure(samples)["shift_sliced/first"] == pytest.approx(5.0, rel=0.5)
    assert shift.measure(samples)["shift_sliced/first"] == 0.0


def test_mistakes_are_found_before_the_first_epoch():
    with pytest.raises(ValueError, match="Received: training=None"):
        CovariateShift(LAYERS, IMAGES, estimators={"critic": ClippedCritic()})
    with pytest.raises(ValueError, match="Received: 'third'"):
        fit(CovariateShift(["third"], IMAGES), Fails())


class Fails(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        raise AssertionError
