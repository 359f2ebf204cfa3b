"""A batch that is not finite gives an output that is not, raises nothing, and leaves no trace."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import descriptors

ROWS = [row for row in descriptors.ROWS if not row.name.startswith("spectral")]
every_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
every_value = pytest.mark.parametrize("value", [np.nan, np.inf], ids=str)


def bad_inputs(row, value):
    x = row.inputs()
    x[2, ..., 1] = value
    return x


def is_finite(values):
    return np.isfinite(np.asarray(values)).all()


# Of a mixed batch the other domains are followed: see `domains_test.py`.
OF_ONE_DOMAIN = [row for row in ROWS if not row.name.endswith("_by_domain")]
TRAINING = [
    *((row, value, False) for row in OF_ONE_DOMAIN for value in (np.nan, -np.inf)),
    # What the moving average follows is the same in a graph, and tracing takes long.
    *((row, np.nan, True) for row in OF_ONE_DOMAIN if not row.name.endswith("_matrix")),
]


@pytest.mark.parametrize(
    "row, value, in_function", TRAINING, ids=lambda value: getattr(value, "name", str(value))
)
def test_training(row, value, in_function):
    keras.utils.set_random_seed(0)
    layer = row.make()
    layer(*row.arguments(row.inputs()), training=True)
    before = layer.get_weights()

    def train(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(*row.arguments(x), training=True)
        return y, tape.gradient(y, x)

    y, _ = (tf.function(train) if in_function else train)(tf.constant(bad_inputs(row, value)))
    assert not is_finite(y)
    for weight, kept in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, kept)
    # The next good batch counts as if the bad one had not been.
    y = layer(*row.arguments(row.inputs(seed=1)), training=True)
    assert is_finite(y)
    for weight, kept in zip(layer.weights, before, strict=True):
        assert is_finite(weight.numpy())
        assert weight.trainable or not np.array_equal(weight.numpy(), kept)


@every_value
@every_row
def test_inference_spoils_that_sample_alone(row, value):
    keras.utils.set_random_seed(0)
    layer = row.make()
    layer(*row.arguments(row.inputs()), training=True)
    good, bad = (layer(*row.arguments(x)).numpy() for x in (row.inputs(), bad_inputs(row, value)))
    others = [0, 1, 3, 4, 5]
    np.testing.assert_array_equal(bad[others], good[others])
    assert not is_finite(bad[2])


@pytest.mark.parametrize("method", ["pca", "zca", "cd", "itn"])
def test_a_moving_covariance_that_is_not_finite_raises_nothing(method):
    """As a damaged checkpoint leaves it."""
    rows = {row.name: row for row in ROWS}
    row = rows[f"whitening_{method}_covariance"]
    layer = row.make()
    layer.build((None, *row.shape))
    layer.moving_covariance.assign(layer.moving_covariance * np.nan)
    assert not is_finite(layer(row.inputs(), training=False))
