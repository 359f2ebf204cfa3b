"""Constraints, regularizers and initializers of kernels of matrices: of each, as of a Dense's."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.keras_versions import functions
from tfnorm import Coloring, ConditionalColoring, FactorizedColoring

CLASSES, RANK, CHANNELS = 3, 2, 4
# The layer, the channels of its input, and whether it is called with labels.
LAYERS = {
    "coloring": (Coloring, CHANNELS, False),
    "groups": (lambda **options: Coloring(2, **options), 5, False),
    "conditional": (lambda **options: ConditionalColoring(CLASSES, **options), CHANNELS, True),
    "factorized": (lambda **options: FactorizedColoring(CLASSES, RANK, **options), CHANNELS, True),
}
CONSTRAINTS = [
    keras.constraints.UnitNorm(),
    keras.constraints.UnitNorm(axis=1),
    keras.constraints.MaxNorm(0.5),
    keras.constraints.MinMaxNorm(0.4, 0.6, rate=0.5),
    keras.constraints.NonNeg(),
]
REGULARIZERS = [
    keras.regularizers.OrthogonalRegularizer(0.1),
    keras.regularizers.OrthogonalRegularizer(0.1, mode="columns"),
    keras.regularizers.L1L2(0.1, 0.2),
    pytest.param(lambda matrix: 0.1 * keras.ops.max(matrix), marks=functions),
]
every_layer = pytest.mark.parametrize("name", LAYERS)


@pytest.fixture(autouse=True)
def seed():
    keras.utils.set_random_seed(0)


def built(name, **options):
    make, channels, _ = LAYERS[name]
    layer = make(**options)
    layer.build((None, channels))
    return layer


def matrices_of(layer):
    kernels = [weight for weight in layer.weights if weight.name.startswith("kernel")]
    return [matrix for kernel in kernels for matrix in kernel.numpy()]


def dense(matrix, **options):
    """A Dense with the matrix for its kernel."""
    layer = keras.layers.Dense(matrix.shape[1], **options)
    layer.build((None, matrix.shape[0]))
    layer.kernel.assign(matrix)
    return layer


@every_layer
@pytest.mark.parametrize("constraint", CONSTRAINTS, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_constraint_is_that_of_a_dense(name, constraint, jit_compile):
    """After a step of an optimizer that changes nothing but what the constraint does."""
    layer = built(name, kernel_constraint=constraint)
    before = matrices_of(layer)
    optimizer = keras.optimizers.SGD(0.0)
    optimizer.build(layer.trainable_variables)

    @tf.function(jit_compile=jit_compile)
    def step():
        optimizer.apply([tf.zeros(weight.shape) for weight in layer.trainable_variables])

    step()
    for matrix, start in zip(matrices_of(layer), before, strict=True):
        kernel = dense(start, kernel_constraint=constraint).kernel
        np.testing.assert_allclose(matrix, constraint(kernel), atol=1e-6)
    assert not np.allclose(matrices_of(layer)[0], before[0], atol=1e-3)


@every_layer
@pytest.mark.parametrize("regularizer", REGULARIZERS, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_loss_is_that_of_a_dense_for_each_matrix(name, regularizer, jit_compile):
    layer = built(name, kernel_regularizer=regularizer)
    is_orthogonal = isinstance(regularizer, keras.regularizers.OrthogonalRegularizer)

    @tf.function(jit_compile=jit_compile)
    def loss_and_gradients():
        weights = [w.value for w in layer.trainable_weights if w.name.startswith("kernel")]
        with tf.GradientTape() as tape:
            loss = sum(layer.losses)
        return loss, tape.gradient(loss, weights, unconnected_gradients="zero")

    loss, gradients = loss_and_gradients()
    expected, gradient_of = 0.0, []
    for matrix in matrices_of(layer):
        if matrix.size == 1 and is_orthogonal:  # has no pair of rows
            gradient_of.append(np.zeros((1, 1)))
            continue
        one = dense(matrix, kernel_regularizer=regularizer)
        with tf.GradientTape() as tape:
            (loss_of_one,) = one.losses
        expected += float(loss_of_one)
        gradient_of.append(tape.gradient(loss_of_one, one.kernel.value))
    assert np.isclose(loss, expected, rtol=1e-5)
    found = [gradient for kernel in gradients for gradient in kernel]
    for gradient, truth in zip(found, gradient_of, strict=True):
        np.testing.assert_allclose(gradient, truth, atol=1e-6)


def test_a_coloring_of_one_group_is_trained_as_a_dense():
    options = {
        "kernel_constraint": keras.constraints.UnitNorm(),
        "kernel_regularizer": keras.regularizers.OrthogonalRegularizer(0.1),
    }
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 16, CHANNELS)).astype(np.float32)
    coloring = built("coloring", **options)
    layers = coloring, dense(coloring.kernel.numpy()[0], **options)
    for layer in layers:
        model = keras.Sequential([keras.Input((CHANNELS,)), layer])
        model.compile(keras.optimizers.SGD(0.1), "mse")
        model.fit(x, y, batch_size=8, epochs=3, shuffle=False, verbose=0)
    kernel = coloring.kernel.numpy()[0]
    np.testing.assert_allclose(np.linalg.norm(kernel, axis=0), np.ones(CHANNELS), atol=1e-5)
    np.testing.assert_allclose(kernel, layers[1].kernel, atol=1e-5)


@every_layer
@pytest.mark.parametrize("initializer", ["orthogonal", keras.initializers.Orthogonal(2.0, seed=3)])
def test_orthogonal_matrices(name, initializer):
    matrices = matrices_of(built(name, kernel_initializer=initializer))
    gain = 1.0 if initializer == "orthogonal" else 2.0
    for matrix in matrices:
        np.testing.assert_allclose(matrix.T @ matrix, gain**2 * np.eye(len(matrix)), atol=1e-5)
    assert len(matrices) == 1 or np.abs(matrices[0] - matrices[1]).max() > 0.1


@every_layer
def test_identities(name):
    for matrix in matrices_of(built(name, kernel_initializer="identity")):
        np.testing.assert_array_equal(matrix, np.eye(len(matrix)))


@every_layer
def test_arguments_and_weights_are_as_they_were(name):
    """The configuration has what was given; names and shapes are those of older checkpoints."""
    options = {"kernel_constraint": CONSTRAINTS[0], "kernel_regularizer": REGULARIZERS[0]}
    layer = built(name, **options)
    config = layer.get_config()
    assert config["kernel_constraint"]["class_name"] == "UnitNorm"
    assert config["kernel_regularizer"]["class_name"] == "OrthogonalRegularizer"
    assert layer.kernel_constraint is CONSTRAINTS[0]
    kernels = {w.name: tuple(w.shape) for w in layer.weights if w.name.startswith("kernel")}
    assert (
        kernels
        == {
            "coloring": {"kernel": (1, 4, 4)},
            "groups": {"kernel": (2, 2, 2), "kernel_last": (1, 1, 1)},
            "conditional": {"kernel": (CLASSES, 4, 4)},
            "factorized": {"kernel": (RANK, 4, 4)},
        }[name]
    )
    again = type(layer).from_config(config)
    again.build((None, LAYERS[name][1]))
    again.set_weights(layer.get_weights())
    np.testing.assert_allclose(again.losses, layer.losses)
