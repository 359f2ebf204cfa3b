"""Where the channels are, and how many axes there are besides, changes nothing else."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import descriptors

# What the moving average follows has no axis.
ROWS = [
    row
    for row in descriptors.ROWS
    if row.has_axis and len(row.shape) > 1 and not row.name.endswith("_matrix")
]
every_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
SPATIAL = [(), (6,), (3, 2), (2, 3, 1)]
every_rank = pytest.mark.parametrize("spatial", SPATIAL, ids=lambda s: f"rank {len(s) + 2}")


def step(layer, inputs, dy):
    """Outputs in training and inference, and the gradient of the first input."""
    x, *labels = inputs
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, *labels, training=True)
    gradient = tape.gradient(y, x, output_gradients=tf.constant(dy))
    return [value.numpy() for value in (y, gradient, layer(x, *labels, training=False))]


def pair(row, **options):
    """Two layers with the same weights, the second of them made with the options."""
    layers = []
    for others in ({}, options):
        keras.utils.set_random_seed(0)
        layers.append(row.make(dtype="float64", **others))
    return layers


def assert_same_weights(layers):
    for weight, other in zip(*(layer.weights for layer in layers), strict=True):
        np.testing.assert_allclose(weight.numpy(), other.numpy(), rtol=1e-10, atol=1e-12)


@every_row
@every_rank
def test_channels_first_is_channels_last_transposed(row, spatial):
    x = row.inputs(spatial=spatial).astype(np.float64)
    dy = np.random.default_rng(5).normal(size=x.shape)
    layers = pair(row, axis=1)
    expected = step(layers[0], row.arguments(x), dy)
    values = step(layers[1], row.arguments(np.moveaxis(x, -1, 1)), np.moveaxis(dy, -1, 1))
    for value, truth in zip(values, expected, strict=True):
        np.testing.assert_allclose(np.moveaxis(value, 1, -1), truth, rtol=1e-9, atol=1e-10)
    assert_same_weights(layers)


@every_row
def test_channels_first_of_unknown_sizes(row):
    x = np.moveaxis(row.inputs(spatial=(3, 2)), -1, 1)
    layer, eager = pair(row, axis=1)[1], pair(row, axis=1)[1]
    layer.build((None, x.shape[1], None, None))
    function = tf.function(
        lambda x: layer(*row.arguments(x), training=True),
        input_signature=[tf.TensorSpec([None, x.shape[1], None, None], tf.float64)],
    )
    y = function(x.astype(np.float64))
    assert function.get_concrete_function().output_shapes.as_list() == [
        None,
        x.shape[1],
        None,
        None,
    ]
    expected = eager(*row.arguments(x), training=True)
    np.testing.assert_allclose(y, expected, rtol=1e-10, atol=1e-11)


@every_row
def test_the_same_axis_counted_from_the_front(row):
    x = row.inputs(spatial=(3, 2)).astype(np.float64)
    dy = np.random.default_rng(5).normal(size=x.shape)
    layers = pair(row, axis=3)
    values, expected = (step(layer, row.arguments(x), dy) for layer in layers)
    for value, truth in zip(values, expected, strict=True):
        np.testing.assert_array_equal(value, truth)


@pytest.mark.parametrize(
    "row",
    [r for r in ROWS if "unitization" not in r.name and "group_whitening" not in r.name],
    ids=lambda r: r.name,
)
@pytest.mark.parametrize("spatial", SPATIAL[1:], ids=lambda s: f"rank {len(s) + 2}")
def test_positions_are_samples(row, spatial):
    """All but what is of a sample treat each position as a row of its own."""
    x = row.inputs(spatial=spatial).astype(np.float64)
    dy = np.random.default_rng(5).normal(size=x.shape)
    layers = pair(row)
    rows, dy_rows = (value.reshape(-1, value.shape[-1]) for value in (x, dy))
    values = step(layers[0], row.arguments(x), dy)
    expected = step(layers[1], row.arguments(rows, len(rows) // len(x)), dy_rows)
    for value, truth in zip(values, expected, strict=True):
        np.testing.assert_allclose(value.reshape(truth.shape), truth, rtol=1e-10, atol=1e-11)
    assert_same_weights(layers)
