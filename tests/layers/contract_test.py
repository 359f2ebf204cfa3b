"""What every layer must do, over the rows of `descriptors.py`."""

import inspect
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import descriptors

every_row = pytest.mark.parametrize("row", descriptors.ROWS, ids=lambda row: row.name)


def layer_of(row, policy="float32"):
    """The row's layer under a global dtype policy, the same each time, and built."""
    keras.utils.set_random_seed(0)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        layer = row.make()
        layer.build((None, *row.shape))
    finally:
        keras.config.set_dtype_policy(before)
    return layer


def test_every_public_layer_has_a_row():
    assert {row.layer_class for row in descriptors.ROWS} == descriptors.public_layers()


@every_row
def test_config_round_trip(row):
    layer = row.make(name="its_name")
    config = layer.get_config()
    layer.build((None, *row.shape))
    assert layer.get_config() == config
    assert json.dumps(config)
    # Keras' wrappers take their layer out of the config that they are given.
    assert type(layer).from_config(layer.get_config()).get_config() == config
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    assert type(again) is type(layer)
    assert again.get_config() == config


@every_row
def test_config_holds_every_argument(row):
    arguments = {
        name
        for cls in row.layer_class.__mro__
        if cls.__module__.startswith("tfnorm.")
        for name, parameter in inspect.signature(cls).parameters.items()
        if parameter.kind is not parameter.VAR_KEYWORD
    }
    # What BatchNormalization's configuration has, and no layer does.
    arguments -= {"renorm", "renorm_clipping", "renorm_momentum"}
    assert set(row.make().get_config()) == arguments | {"name", "trainable", "dtype"}


@every_row
def test_save_and_load(row, tmp_path):
    model = row.model(descriptors.trained(layer_of(row), row), row.shape)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    inputs = row.arguments(row.inputs())
    # Training first: moving statistics must have come along too.
    np.testing.assert_array_equal(loaded(inputs, training=True), model(inputs, training=True))
    np.testing.assert_array_equal(loaded(inputs), model(inputs))
    assert [w.name for w in loaded.weights] == [w.name for w in model.weights]


# Of a number by each dtype.
ROUNDING = {tf.bfloat16: 1 / 256, tf.float16: 1 / 2048}


@pytest.mark.parametrize("low", [tf.bfloat16, tf.float16], ids=lambda dtype: dtype.name)
@every_row
def test_mixed_precision(row, low):
    layer, exact = layer_of(row, f"mixed_{low.name}"), descriptors.trained(layer_of(row), row)
    layer.set_weights(exact.get_weights())
    assert {weight.dtype for weight in layer.weights} == {"float32"}
    x = row.inputs()
    for training in (True, False):
        y = layer(*row.arguments(x), training=training)
        assert y.dtype == low
        rounded = tf.cast(tf.cast(x, low), tf.float32)
        expected = exact(*row.arguments(rounded), training=training).numpy()
        # A sum of products is rounded by its largest part.
        np.testing.assert_allclose(
            tf.cast(y, tf.float32),
            expected,
            rtol=2 * ROUNDING[low],
            atol=2 * ROUNDING[low] * np.abs(expected).max(),
        )
    for weight, value, expected in zip(
        layer.weights, layer.get_weights(), exact.get_weights(), strict=True
    ):
        # The vector is that of the kernel as Keras casts it for the call.
        tolerance = ROUNDING[low] if weight.name.startswith("vector") else 1e-5
        np.testing.assert_allclose(value, expected, rtol=tolerance, atol=tolerance)


@every_row
def test_statistics_of_a_low_precision_are_float32(row):
    layer = layer_of(row, "bfloat16")
    y = layer(*row.arguments(row.inputs()), training=True)
    assert y.dtype == tf.bfloat16
    assert np.isfinite(tf.cast(y, tf.float32)).all()
    assert {weight.dtype for weight in layer.trainable_weights} == {"bfloat16"}
    assert {weight.dtype for weight in layer.non_trainable_weights} <= {"float32"}


@every_row
def test_float64(row):
    layer, single = layer_of(row, "float64"), descriptors.trained(layer_of(row), row)
    layer.set_weights(single.get_weights())
    assert {weight.dtype for weight in layer.weights} == {"float64"}
    x = row.inputs()
    for training in (True, False):
        y = layer(*row.arguments(tf.constant(x, tf.float64)), training=training)
        assert y.dtype == tf.float64
        expected = single(*row.arguments(x), training=training)
        np.testing.assert_allclose(y, expected, rtol=1e-3, atol=1e-4)


@every_row
def test_function_of_unknown_sizes(row):
    layer, eager = layer_of(row), descriptors.trained(layer_of(row), row)
    layer.set_weights(eager.get_weights())
    spatial = [None] * (len(row.shape) - 1)
    signature = [tf.TensorSpec([None, *spatial, row.shape[-1]], tf.float32)]
    functions = {
        training: tf.function(
            lambda x, t=training: layer(*row.arguments(x), training=t), input_signature=signature
        )
        for training in (True, False)
    }
    for batch, sizes in ((6, None), (9, [5] * len(spatial)), (1, None)):
        for training in (True, False):
            x = row.inputs(batch, spatial=sizes)
            y, expected = functions[training](x), eager(*row.arguments(x), training=training)
            assert y.shape == expected.shape
            np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4)
    for value, expected in zip(layer.get_weights(), eager.get_weights(), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5)


@every_row
def test_symbolic_shape_is_the_real_one(row):
    """With sizes that are known, and with none known but the channels."""
    x = row.inputs()
    real = tuple(layer_of(row)(*row.arguments(x)).shape)
    assert tuple(layer_of(row).compute_output_shape(x.shape)) == real
    assert row.model(layer_of(row), row.shape).output_shape == (None, *real[1:])
    unknown = (None,) * (len(row.shape) - 1)
    model = row.model(layer_of(row), (*unknown, row.shape[-1]))
    assert model.output_shape == (None, *unknown, real[-1])


@every_row
def test_empty_batch(row):
    layer = descriptors.trained(layer_of(row), row)
    before = layer.get_weights()
    for training in (False, True):
        y = layer(*row.arguments(row.inputs(batch=0)), training=training)
        assert y.shape[0] == 0
    for weight, value in zip(layer.weights, before, strict=True):
        if not weight.name.startswith("vector"):  # which follow the kernel, not the batch
            np.testing.assert_array_equal(weight.numpy(), value)


@every_row
def test_gradient_of_a_gradient(row):
    """As a gradient penalty takes it, against differences of the gradient."""
    layer = layer_of(row, "float64")
    # Each call in training moves spectral normalization's vector.
    training = "spectral" not in row.name
    x = tf.constant(row.inputs(), tf.float64)
    shape = layer(*row.arguments(x)).shape
    rng = np.random.default_rng(1)
    dy, v = rng.normal(size=shape), rng.normal(size=x.shape)

    def first(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(*row.arguments(x), training=training)
        return tape.gradient(y, x, output_gradients=tf.constant(dy))

    with tf.GradientTape() as tape:
        tape.watch(x)
        gradient = first(x)
    second = tape.gradient(gradient, x, output_gradients=tf.constant(v))
    second = tf.zeros_like(x) if second is None else second  # of a linear layer
    step = 1e-5
    slope = (first(x + step * v) - first(x - step * v)) / (2 * step)
    scale = max(1.0, float(tf.norm(slope)))
    assert np.isclose(np.sum(second * v), np.sum(slope * v), rtol=1e-5, atol=1e-6 * scale)


@every_row
def test_fit_step(row):
    model = row.model(layer_of(row), row.shape)
    # A rate high enough to see each weight move in float32, and a loss that no layer is done with.
    model.compile(keras.optimizers.SGD(0.1), "mse")
    before = model.get_weights()
    inputs = row.arguments(row.inputs())
    targets = np.random.default_rng(1).normal(size=model(inputs).shape)
    history = model.fit(inputs, targets, batch_size=6, epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    for weight, value in zip(model.weights, before, strict=True):
        assert np.isfinite(weight.numpy()).all()
        assert not np.allclose(weight.numpy(), value, rtol=0, atol=1e-6), weight.path
