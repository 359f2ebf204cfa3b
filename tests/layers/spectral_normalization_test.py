"""SpectralNormalization: sigma against SVD, what it leaves alone, and Miyato et al.'s gradient."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import gradients, samples
from tests.keras_versions import float64_losses
from tfnorm import Coloring, ConditionalColoring, FactorizedColoring, SpectralNormalization

RNG = np.random.default_rng(0)
COLORED, LABELS = RNG.normal(size=(3, 2, 4)), np.array([2, 0, 2])
# The layer, its inputs, and how many matrices its kernel is.
LAYERS = {
    "dense": (lambda: keras.layers.Dense(4, dtype="float64"), [RNG.normal(size=(7, 5))], 1),
    "conv": (
        lambda: keras.layers.Conv2D(3, 2, padding="same", dtype="float64"),
        [RNG.normal(size=(2, 4, 4, 3))],
        1,
    ),
    "coloring": (lambda: Coloring(dtype="float64"), [COLORED], 1),
    "embedding": (
        lambda: keras.layers.Embedding(6, 3, dtype="float64"),
        [np.array([[0, 1, 5], [2, 2, 3]])],
        1,
    ),
    "conditional_coloring": (
        lambda: ConditionalColoring(3, dtype="float64"),
        [COLORED, LABELS],
        3,
    ),
    "coloring_of_one_class": (
        lambda: ConditionalColoring(1, dtype="float64"),
        [COLORED, 0 * LABELS],
        1,
    ),
    "factorized_coloring": (
        lambda: FactorizedColoring(3, 2, dtype="float64"),
        [COLORED, LABELS],
        2,
    ),
}
every_layer = pytest.mark.parametrize("name", LAYERS)


def with_gap(shape, largest=4.0, seed=0):
    """A matrix of this shape with singular values 4, 2, 1.9, 1.8, ...: iterations converge."""
    rows, columns = int(np.prod(shape[:-1])), shape[-1]
    values = np.r_[4.0, 2.0 - 0.1 * np.arange(min(rows, columns) - 1)] * largest / 4
    left, right = samples.rotation(rows, seed), samples.rotation(columns, seed + 1)
    return (left[:, : len(values)] * values @ right[:, : len(values)].T).reshape(shape)


def make(name, **options):
    """The layer, its kernel, and inputs; the largest singular values are 4, 5, ...

    The bias is random and so are other weights.
    """
    make_layer, inputs, count = LAYERS[name]
    layer = SpectralNormalization(make_layer(), dtype="float64", **options)
    layer.build(inputs[0].shape)
    for seed, weight in enumerate(layer.layer.weights):
        weight.assign(np.random.default_rng(seed).normal(size=weight.shape))
    kernel = kernel_of(layer.layer)
    shape = as_matrices(name, kernel.numpy()).shape[1:]
    matrices = [with_gap(shape, 4.0 + i, seed=2 * i) for i in range(count)]
    kernel.assign(np.reshape(matrices, kernel.shape))
    return layer, kernel, inputs


def kernel_of(layer):
    return next(weight for weight in layer.weights if weight.name in ("kernel", "embeddings"))


def as_matrices(name, kernel):
    return np.asarray(kernel).reshape(LAYERS[name][2], -1, kernel.shape[-1])


def divided(name, kernel, sigmas):
    """The kernel, each of its matrices by its sigma."""
    return (as_matrices(name, kernel) / np.reshape(sigmas, (-1, 1, 1))).reshape(kernel.shape)


def output_with(name, layer, kernel):
    """The bare layer's output with this kernel, and its gradient with respect to it."""
    make_layer, inputs, _ = LAYERS[name]
    bare = make_layer()
    bare.build(inputs[0].shape)
    bare.set_weights(layer.layer.get_weights())
    kernel_of(bare).assign(kernel)
    with tf.GradientTape() as tape:
        y = bare(*inputs)
    dy = np.random.default_rng(5).normal(size=y.shape)
    gradient = tape.gradient(y, kernel_of(bare).value, output_gradients=dy)
    return y.numpy(), dy, tf.convert_to_tensor(gradient).numpy()


@every_layer
def test_divides_by_the_largest_singular_value(name):
    layer, kernel, inputs = make(name)
    before = kernel.numpy()
    for _ in range(30):
        y = layer(*inputs, training=True)
    sigmas = np.linalg.norm(as_matrices(name, before), 2, axis=(1, 2))
    np.testing.assert_allclose(sigmas, 4.0 + np.arange(len(sigmas)))
    expected, *_ = output_with(name, layer, divided(name, before, sigmas))
    np.testing.assert_allclose(y, expected, atol=1e-12)
    np.testing.assert_allclose(layer(*inputs, training=False), expected, atol=1e-12)


@every_layer
def test_calls_leave_the_kernel_alone(name):
    layer, kernel, inputs = make(name)
    before = layer.layer.get_weights()
    for training in (True, True, False):
        layer(*inputs, training=training)
        for value, kept in zip(layer.layer.get_weights(), before, strict=True):
            np.testing.assert_array_equal(value, kept)


@every_layer
def test_gradient_is_that_of_miyato_et_al(name):
    """(G - <G, W_bar> u v^T) / sigma, G the gradient with respect to W_bar = W / sigma."""
    layer, kernel, inputs = make(name)
    layer.vector.assign(np.random.default_rng(3).normal(size=layer.vector.shape))
    matrices = as_matrices(name, kernel.numpy())
    # One iteration, far from convergence: u and v are what it has found.
    by_matrix = [
        one_iteration(w, vector)
        for w, vector in zip(matrices, np.atleast_2d(layer.vector.numpy()), strict=True)
    ]
    normalised = divided(name, kernel.numpy(), [sigma for sigma, *_ in by_matrix])
    _, dy, d_normalised = output_with(name, layer, normalised)
    with tf.GradientTape() as tape:
        y = layer(*inputs, training=True)
    gradient = tf.convert_to_tensor(tape.gradient(y, kernel.value, output_gradients=dy)).numpy()
    expected = [
        (g - np.sum(g * w / sigma) * np.outer(u, v)) / sigma
        for g, w, (sigma, u, v) in zip(
            as_matrices(name, d_normalised), matrices, by_matrix, strict=True
        )
    ]
    np.testing.assert_allclose(as_matrices(name, gradient), expected, atol=1e-12)
    np.testing.assert_allclose(
        np.atleast_2d(layer.vector), [u for _, u, _ in by_matrix], atol=1e-13
    )


def one_iteration(w, vector):
    """sigma, u and v of Algorithm 1."""
    v = w.T @ vector / np.linalg.norm(w.T @ vector)
    u = w @ v / np.linalg.norm(w @ v)
    return u @ w @ v, u, v


def test_gradient_at_convergence_by_differences():
    layer, kernel, (x,) = make("dense", power_iterations=60)
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
    layer, kernel, inputs = make(name)
    vector = np.random.default_rng(3).normal(size=layer.vector.shape)  # of no length in particular
    layer.vector.assign(vector)
    sigmas = [
        np.linalg.norm(w.T @ u) / np.linalg.norm(u)
        for w, u in zip(as_matrices(name, kernel.numpy()), np.atleast_2d(vector), strict=True)
    ]
    expected, *_ = output_with(name, layer, divided(name, kernel.numpy(), sigmas))
    for arguments in ({"training": False}, {}):
        np.testing.assert_allclose(layer(*inputs, **arguments), expected, atol=1e-12)
        np.testing.assert_array_equal(layer.vector.numpy(), vector)


def test_power_iterations_are_calls():
    (often, _, (x,)), (once, *_) = make("dense", power_iterations=3), make("dense")
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
    shapes = {name: make(name)[0].vector.shape for name in LAYERS if name != "dense"}
    assert shapes == {
        "conv": (12,),
        "coloring": (4,),
        "embedding": (6,),
        "conditional_coloring": (3, 4),
        "coloring_of_one_class": (4,),
        "factorized_coloring": (2, 4),
    }


def test_a_zero_kernel_gives_a_finite_output_and_gradient():
    layer, kernel, (x,) = make("dense")
    kernel.assign(np.zeros(kernel.shape))
    with tf.GradientTape() as tape:
        y = layer(x, training=True)
    assert np.isfinite(y.numpy()).all()
    assert np.isfinite(tape.gradient(y, kernel.value).numpy()).all()


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_a_kernel_without_a_vector_does_not_spoil_the_next(value):
    layer, kernel, (x,) = make("dense")
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


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_class_without_a_vector_does_not_spoil_the_others(value):
    layer, kernel, inputs = make("conditional_coloring")
    before = kernel.numpy()
    kernel.assign(np.where(np.arange(3)[:, None, None] == 0, value, before))
    vectors = layer.vector.numpy()
    for _ in range(30):
        y = layer(*inputs, training=True)
    np.testing.assert_array_equal(layer.vector.numpy()[0], vectors[0])
    expected, *_ = output_with(
        "conditional_coloring", layer, divided("conditional_coloring", before, [4.0, 5.0, 6.0])
    )
    np.testing.assert_allclose(y.numpy()[[0, 2]], expected[[0, 2]], atol=1e-12)


class Penalised(keras.layers.Dense):
    """Adds the sum of squares of the kernel that it is called with to its losses."""

    def call(self, inputs, training=None):
        self.add_loss(tf.reduce_sum(tf.square(self.kernel)))
        return super().call(inputs, training=training)


@float64_losses
def test_losses_of_the_layer_are_the_wrappers():
    """What the call adds is of the kernel over sigma; a regularizer is of the stored one."""
    layer = SpectralNormalization(
        Penalised(
            4,
            dtype="float64",
            kernel_regularizer=keras.regularizers.L1(0.125),
            activity_regularizer=keras.regularizers.L2(0.25),
        ),
        dtype="float64",
    )
    (x,) = LAYERS["dense"][1]
    layer.build(x.shape)
    kernel, u = layer.layer.kernel, layer.vector.numpy()
    sigma = np.linalg.norm(kernel.numpy().T @ u) / np.linalg.norm(u)
    for _ in range(2):  # those of the last call
        with tf.GradientTape() as tape:
            y = layer(x)
            losses = layer.losses
        expected = [
            np.sum((kernel.numpy() / sigma) ** 2),
            0.25 * np.sum(y.numpy() ** 2) / len(x),
            0.125 * np.sum(np.abs(kernel.numpy())),
        ]
        np.testing.assert_allclose(losses, expected, rtol=1e-12)
    gradient = tape.gradient(losses[0], kernel.value)

    def squares(w):
        return np.sum((w / (np.linalg.norm(w.T @ u) / np.linalg.norm(u))) ** 2)

    truth = gradients.by_differences(squares, kernel.numpy())
    np.testing.assert_allclose(gradient, truth, atol=1e-9)


def test_losses_are_collected_once_without_state():
    """As Keras' own wrapper's are, in a call of the layer and of a model that has it."""
    inner = Penalised(4, kernel_regularizer="l2", activity_regularizer="l2")
    layer = SpectralNormalization(inner)
    (x,) = LAYERS["dense"][1]
    x = tf.cast(x, tf.float32)
    inputs = keras.Input(x.shape[1:])
    for called in (layer, keras.Model(inputs, layer(inputs))):
        called(x)
        expected = sorted(called.losses)
        states = [[v.value for v in called.trainable_variables]]
        states.append([v.value for v in called.non_trainable_variables])
        *_, losses = called.stateless_call(*states, x, return_losses=True)
        np.testing.assert_allclose(sorted(losses), expected, rtol=1e-5)


def test_losses_of_the_layer_are_trained_on():
    """In `fit`, where the step is compiled: a layer that is called with zeros learns from them."""
    layer = SpectralNormalization(Penalised(4, use_bias=False, kernel_initializer=two_and_one))
    model = keras.Sequential([keras.Input((2,)), layer])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    history = model.fit(np.zeros((3, 2)), np.zeros((3, 4)), epochs=20, verbose=0)
    # Once the vector is found: 2^2 + 1^2, over the larger squared.
    assert np.isclose(history.history["loss"][-1], 5 / 4, rtol=1e-5)


def two_and_one(shape, dtype=None):
    return tf.linalg.diag([2.0, 1.0], num_rows=shape[0], num_cols=shape[1])
