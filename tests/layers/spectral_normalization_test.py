"""SpectralNormalization: sigma against SVD, what it leaves alone, and Miyato et al.'s gradient."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import gradients, samples
from tfnorm import Coloring, SpectralNormalization

RNG = np.random.default_rng(0)
# The layer, the weight that is normalised, and inputs.
LAYERS = {
    "dense": (lambda: keras.layers.Dense(4, dtype="float64"), "kernel", RNG.normal(size=(7, 5))),
    "conv": (
        lambda: keras.layers.Conv2D(3, 2, padding="same", dtype="float64"),
        "kernel",
        RNG.normal(size=(2, 4, 4, 3)),
    ),
    "coloring": (lambda: Coloring(dtype="float64"), "kernel", RNG.normal(size=(3, 2, 4))),
    "embedding": (
        lambda: keras.layers.Embedding(6, 3, dtype="float64"),
        "embeddings",
        np.array([[0, 1, 5], [2, 2, 3]]),
    ),
}
every_layer = pytest.mark.parametrize("name", LAYERS)


def with_gap(shape, seed=0):
    """A matrix of this shape with singular values 4, 2, 1.9, 1.8, ...: iterations converge."""
    rows, columns = int(np.prod(shape[:-1])), shape[-1]
    values = np.r_[4.0, 2.0 - 0.1 * np.arange(min(rows, columns) - 1)]
    left, right = samples.rotation(rows, seed), samples.rotation(columns, seed + 1)
    return (left[:, : len(values)] * values @ right[:, : len(values)].T).reshape(shape)


def make(name, **options):
    make_layer, attribute, x = LAYERS[name]
    layer = SpectralNormalization(make_layer(), dtype="float64", **options)
    layer.build(x.shape)
    kernel = getattr(layer.layer, attribute)
    kernel.assign(with_gap(kernel.shape))
    return layer, kernel, x


def as_matrix(kernel):
    return np.asarray(kernel).reshape(-1, kernel.shape[-1])


def output_with(name, layer, kernel):
    """The bare layer's output with this kernel, and its gradient with respect to it."""
    make_layer, attribute, x = LAYERS[name]
    bare = make_layer()
    bare.build(x.shape)
    bare.set_weights(layer.layer.get_weights())
    getattr(bare, attribute).assign(kernel)
    with tf.GradientTape() as tape:
        y = bare(x)
    dy = np.random.default_rng(5).normal(size=y.shape)
    variable = getattr(bare, attribute).value
    gradient = tape.gradient(y, variable, output_gradients=dy)
    return y.numpy(), dy, tf.convert_to_tensor(gradient).numpy()


@every_layer
def test_divides_by_the_largest_singular_value(name):
    layer, kernel, x = make(name)
    before = kernel.numpy()
    for _ in range(30):
        y = layer(x, training=True)
    sigma = np.linalg.norm(as_matrix(before), 2)
    assert np.isclose(sigma, 4.0)
    expected, *_ = output_with(name, layer, before / sigma)
    np.testing.assert_allclose(y, expected, atol=1e-12)
    np.testing.assert_allclose(layer(x, training=False), expected, atol=1e-12)


@every_layer
def test_calls_leave_the_kernel_alone(name):
    layer, kernel, x = make(name)
    before = layer.layer.get_weights()
    for training in (True, True, False):
        layer(x, training=training)
        for value, kept in zip(layer.layer.get_weights(), before, strict=True):
            np.testing.assert_array_equal(value, kept)


@every_layer
def test_gradient_is_that_of_miyato_et_al(name):
    """(G - <G, W_bar> u v^T) / sigma, G the gradient with respect to W_bar = W / sigma."""
    layer, kernel, x = make(name)
    layer.vector.assign(np.random.default_rng(3).normal(size=layer.vector.shape))
    w = as_matrix(kernel.numpy())
    # One iteration, far from convergence: u and v are what it has found.
    v = w.T @ layer.vector.numpy()
    v /= np.linalg.norm(v)
    u = w @ v / np.linalg.norm(w @ v)
    sigma = u @ w @ v
    _, dy, of_normalised = output_with(name, layer, kernel.numpy() / sigma)
    with tf.GradientTape() as tape:
        y = layer(x, training=True)
    gradient = tf.convert_to_tensor(tape.gradient(y, kernel.value, output_gradients=dy))
    g = as_matrix(of_normalised)
    expected = (g - np.sum(g * w / sigma) * np.outer(u, v)) / sigma
    np.testing.assert_allclose(as_matrix(gradient.numpy()), expected, atol=1e-12)
    np.testing.assert_allclose(layer.vector.numpy(), u, atol=1e-13)


def test_gradient_at_convergence_by_differences():
    layer, kernel, x = make("dense", power_iterations=60)
    bias, dy = layer.layer.bias.numpy(), np.random.default_rng(5).normal(size=(7, 4))
    with tf.GradientTape() as tape:
        y = layer(x, training=True)
    gradient = tape.gradient(y, kernel.value, output_gradients=dy)
    truth = gradients.by_differences(
        lambda w: np.sum(dy * (x @ w / np.linalg.norm(w, 2) + bias)), kernel.numpy()
    )
    assert gradients.relative_error(gradient, truth) < 1e-9


@every_layer
def test_inference_uses_the_vector_and_keeps_it(name):
    layer, kernel, x = make(name)
    vector = np.random.default_rng(3).normal(size=layer.vector.shape)  # of no length in particular
    layer.vector.assign(vector)
    sigma = np.linalg.norm(as_matrix(kernel.numpy()).T @ vector) / np.linalg.norm(vector)
    expected, *_ = output_with(name, layer, kernel.numpy() / sigma)
    for arguments in ({"training": False}, {}):
        np.testing.assert_allclose(layer(x, **arguments), expected, atol=1e-12)
        np.testing.assert_array_equal(layer.vector.numpy(), vector)


def test_power_iterations_are_calls():
    (often, _, x), (once, *_) = make("dense", power_iterations=3), make("dense")
    once.vector.assign(often.vector)
    often(x, training=True)
    for _ in range(3):
        once(x, training=True)
    np.testing.assert_allclose(often.vector.numpy(), once.vector.numpy(), rtol=1e-12)


def test_what_is_trained():
    layer, *_ = make("dense")
    assert [w.name for w in layer.trainable_weights] == ["kernel", "bias"]
    assert [w.name for w in layer.non_trainable_weights] == ["vector"]
    assert layer.vector.shape == (5,)
    assert make("conv")[0].vector.shape == (12,)


def test_a_zero_kernel_gives_a_finite_output_and_gradient():
    layer, kernel, x = make("dense")
    kernel.assign(np.zeros(kernel.shape))
    with tf.GradientTape() as tape:
        y = layer(x, training=True)
    assert np.isfinite(y.numpy()).all()
    assert np.isfinite(tape.gradient(y, kernel.value).numpy()).all()


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_a_kernel_without_a_vector_does_not_spoil_the_next(value):
    layer, kernel, x = make("dense")
    before = kernel.numpy()
    kernel.assign(np.full(kernel.shape, value))
    layer(x, training=True)
    kernel.assign(before)
    for _ in range(30):
        y = layer(x, training=True)
    np.testing.assert_allclose(y, x @ (before / 4.0) + layer.layer.bias.numpy(), atol=1e-10)


def test_a_frozen_layer_keeps_its_vector():
    layer = SpectralNormalization(keras.layers.Dense(3))
    x = np.ones((2, 4), np.float32)
    layer(x, training=True)
    layer.trainable = False
    before = layer.vector.numpy()
    layer(x, training=True)
    np.testing.assert_array_equal(layer.vector.numpy(), before)
