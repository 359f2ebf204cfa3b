"""Distances between two states of a model, against the estimators on the layers' own outputs."""

import importlib.util

import keras
import numpy as np
import pytest

from tfnorm.analysis import em_distance
from tfnorm.analysis.critic_distance import ClippedCritic
from tfnorm.analysis.em_distance import (
    ESTIMATORS,
    ExactDistance,
    LayerDistance,
    SlicedDistance,
    layer_distances,
)
from tfnorm.analysis.exact import exact_distance
from tfnorm.analysis.layer_outputs import layer_outputs
from tfnorm.analysis.sliced import sliced_distance

RNG = np.random.default_rng(0)
TRAINING, TEST = (RNG.normal(size=(n, 6, 6, 3)).astype("float32") for n in (30, 21))
LAYERS = ["norm", "conv"]


def make_model():
    x = inputs = keras.Input((6, 6, 3))
    x = keras.layers.Conv2D(4, 3, name="conv")(x)
    x = keras.layers.BatchNormalization(name="norm")(x)
    return keras.Model(inputs, x)


@pytest.fixture(scope="module")
def states():
    """Two states of a network, the later with a bias and another moving mean."""
    keras.utils.set_random_seed(0)
    before = make_model()
    after = keras.models.clone_model(before)
    after.set_weights(before.get_weights())
    after.get_layer("conv").bias.assign([0.1, 0.0, -0.3, 0.2])
    after.get_layer("norm").moving_mean.assign([0.5, 0.0, -0.3, 0.0])
    return before, after


def outputs(model, layer, images):
    return keras.Model(model.inputs, model.get_layer(layer).output)(
        [images], training=False
    ).numpy()


@pytest.mark.parametrize("memory", [2**30, 0])
def test_estimates(states, memory):
    estimators = {
        "critic": ClippedCritic(steps=3, batch_size=8),
        "sliced": SlicedDistance(projections=20),
        "exact": ExactDistance(samples=15),
    }
    rows = layer_distances(*states, LAYERS, TEST, TRAINING, estimators, memory=memory, seed=5)
    assert [row[:2] for row in rows] == [(layer, name) for layer in LAYERS for name in estimators]
    by_name = {row[:2]: row for row in rows}
    for layer in LAYERS:
        test, training = ([outputs(m, layer, x) for m in states] for x in (TEST, TRAINING))
        for name, estimator in estimators.items():
            expected = estimator(training[::-1], test[::-1])
            np.testing.assert_allclose(by_name[layer, name].distance, expected, rtol=1e-4)
        first, second = (x.reshape(21, -1) for x in test)
        spread = np.linspace(0, 20, 15).round().astype(int)
        exact = exact_distance(second[spread], first[spread])
        np.testing.assert_allclose(by_name[layer, "exact"].distance, exact, rtol=1e-5)
        sliced = sliced_distance(second, first, 20)
        np.testing.assert_allclose(by_name[layer, "sliced"].distance, sliced, rtol=1e-4)


def test_exact_distances_take_as_many_samples_of_both():
    x, y = RNG.normal(size=(11, 2)), RNG.normal(size=(4, 2))
    expected = exact_distance(x[[0, 3, 7, 10]], y)
    assert ExactDistance()(None, (x, y)) == pytest.approx(expected)
    assert ExactDistance()(None, (y, x)) == pytest.approx(expected)


def test_memory_is_for_both_states_and_all_samples_together(states, monkeypatch):
    shares = []

    def recorded(*arguments, memory, **options):
        shares.append(memory)
        return layer_outputs(*arguments, memory=memory, **options)

    monkeypatch.setattr(em_distance, "layer_outputs", recorded)
    estimators = {"critic": ClippedCritic(steps=1, batch_size=2)}
    layer_distances(*states, LAYERS, TEST, TRAINING, estimators, memory=10_200)
    assert sorted(shares) == [2_100, 2_100, 3_000, 3_000]


def test_shift_of_a_bias(states):
    """All of a map moves alike: by the bias' norm, times the root of its 16 pixels."""
    (row,) = layer_distances(*states, ["conv"], TEST, estimators={"exact": ExactDistance()})
    assert row[:2] == ("conv", "exact")
    np.testing.assert_allclose(row.distance, np.linalg.norm([0.1, 0.3, 0.2]) * 4, rtol=1e-4)


def test_null(states):
    """The null is of the later state's outputs for two halves of the samples, with none in both."""
    seen = []

    class Recorder:
        trains = True

        def __call__(self, training, test):
            seen.append([[np.asarray(x[: len(x)]) for x in pair] for pair in (training, test)])
            return 0.0

    layer_distances(*states, ["norm"], TEST, TRAINING, {"recorder": Recorder()})
    (training, test), (other_training, other_test) = seen
    for (second, first), images in ((training, TRAINING), (test, TEST)):
        np.testing.assert_array_equal(first, outputs(states[0], "norm", images))
        np.testing.assert_array_equal(second, outputs(states[1], "norm", images))
    for halves, images, sizes in (
        (other_training, TRAINING, (15, 15)),
        (other_test, TEST, (11, 10)),
    ):
        assert tuple(map(len, halves)) == sizes
        together = np.concatenate(halves).reshape(len(images), -1)
        expected = outputs(states[1], "norm", images).reshape(len(images), -1)
        np.testing.assert_array_equal(np.sort(together, 0), np.sort(expected, 0))
        assert len(np.unique(together, axis=0)) == len(images)


def test_of_no_shift(states):
    model = states[1]
    rows = layer_distances(model, model, ["norm"], TEST, TRAINING, {"c": ClippedCritic(steps=2)})
    rows += layer_distances(model, model, ["norm"], TEST)
    assert [row.estimator for row in rows] == ["c", "sliced"]
    assert all(row.distance == 0 and row.null != 0 for row in rows)


def test_defaults(states, monkeypatch):
    for name, make in ESTIMATORS.items():
        monkeypatch.setitem(ESTIMATORS, name, lambda make=make: Constant(make().trains))
    rows = layer_distances(*states, ["conv"], TEST, TRAINING)
    names = ["clipped", "penalized", "sliced"]
    assert rows == [LayerDistance("conv", name, 1.0, 1.0) for name in names]


class Constant:
    def __init__(self, trains):
        self.trains = trains

    def __call__(self, training, test):
        return 1.0


def test_errors(states, monkeypatch):
    with pytest.raises(ValueError, match="Received: training=None, estimators={'c': ClippedCri"):
        layer_distances(*states, ["conv"], TEST, estimators={"c": ClippedCritic()})
    with pytest.raises(ValueError, match="Received: 1"):
        layer_distances(*states, ["conv"], TEST[:1])
    with pytest.raises(ValueError, match="Received: 'other'"):
        layer_distances(*states, ["other"], TEST)
    with pytest.raises(ValueError, match=r"Received: estimators=\{\}"):
        layer_distances(*states, ["conv"], TEST, estimators={})
    for make, name in ((SlicedDistance, "projections"), (ExactDistance, "samples")):
        with pytest.raises(ValueError, match=f"Received: {name}=-1"):
            make(**{name: -1})
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="need SciPy"):
        ExactDistance()
    wide = keras.Sequential([keras.Input((6, 6, 3)), keras.layers.Conv2D(5, 3, name="conv")])
    with pytest.raises(
        ValueError, match=r"Received: layer='conv' with \(4, 4, 4\) and \(4, 4, 5\)"
    ):
        layer_distances(states[0], wide, ["conv"], TEST)
