"""The conditional recoveries against NumPy, sample by sample, and how they start."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import gradients
from tfnorm import (
    CenterScale,
    Coloring,
    ConditionalCenterScale,
    ConditionalColoring,
    FactorizedColoring,
)

CLASSES, CHANNELS = 4, 3
RNG = np.random.default_rng(0)
# Class 3 has no sample, class 1 has three.
LABELS = np.array([1, 0, 1, 2, 1])
X = RNG.normal(size=(5, 2, 3, CHANNELS))
DY = RNG.normal(size=X.shape)


def by_scale(x, label, gamma, beta):
    return gamma[label] * x + beta[label]


def by_coloring(x, label, kernel, bias=None):
    y = x @ kernel[label]
    return y if bias is None else y + bias[label]


def by_factors(x, label, kernel, class_matrix):
    coefficients = class_matrix[label] / np.linalg.norm(class_matrix[label])
    return x @ sum(a * k for a, k in zip(coefficients, kernel, strict=True))


# The layer, and a sample's output by its label and the weights.
LAYERS = {
    "center_scale": (lambda **options: ConditionalCenterScale(CLASSES, **options), by_scale),
    "coloring": (lambda **options: ConditionalColoring(CLASSES, **options), by_coloring),
    "coloring_without_bias": (
        lambda **options: ConditionalColoring(CLASSES, use_bias=False, **options),
        by_coloring,
    ),
    "factorized_coloring": (
        lambda **options: FactorizedColoring(CLASSES, 2, **options),
        by_factors,
    ),
}
every_layer = pytest.mark.parametrize("name", LAYERS)


def at_random(layer, shape=X.shape):
    layer.build(shape)
    for seed, weight in enumerate(layer.weights):
        weight.assign(np.random.default_rng(seed).normal(size=weight.shape))
    return layer


def make(name):
    return at_random(LAYERS[name][0](dtype="float64"))


def expected(name, x, *weights):
    return np.stack([LAYERS[name][1](*sample, *weights) for sample in zip(x, LABELS, strict=True)])


@pytest.mark.parametrize("takes_vectors", [False, True], ids=["maps", "vectors"])
@every_layer
def test_output_and_gradients(name, takes_vectors):
    inputs, dy = (X[:, 0, 0], DY[:, 0, 0]) if takes_vectors else (X, DY)
    layer = at_random(LAYERS[name][0](dtype="float64"), inputs.shape)
    values = [inputs, *layer.get_weights()]
    with tf.GradientTape() as tape:
        x = tf.constant(inputs)
        tape.watch(x)
        y = layer(x, LABELS)
    np.testing.assert_allclose(y, expected(name, *values), atol=1e-13)
    variables = [x, *(weight.value for weight in layer.trainable_weights)]
    input_gradients = tape.gradient(y, variables, output_gradients=tf.constant(dy))
    for i, gradient in enumerate(input_gradients):
        truth = gradients.by_differences(
            lambda v, i=i: np.sum(dy * expected(name, *values[:i], v, *values[i + 1 :])), values[i]
        )
        np.testing.assert_allclose(gradient, truth, atol=1e-9)


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("scale", [False, True])
def test_center_and_scale(center, scale):
    layer = at_random(ConditionalCenterScale(CLASSES, center=center, scale=scale, dtype="float64"))
    assert [w.name for w in layer.weights] == ["gamma"] * scale + ["beta"] * center
    gamma = layer.gamma.numpy() if scale else np.ones((CLASSES, CHANNELS))
    beta = layer.beta.numpy() if center else np.zeros((CLASSES, CHANNELS))
    np.testing.assert_allclose(
        layer(X, LABELS), expected("center_scale", X, gamma, beta), atol=1e-13
    )


def test_center_scale_starts_as_the_identity():
    layer = ConditionalCenterScale(CLASSES, dtype="float64")
    np.testing.assert_array_equal(layer(X, LABELS), X)
    assert layer.gamma.shape == layer.beta.shape == (CLASSES, CHANNELS)


def test_conditional_coloring_of_the_paper_is_a_sum():
    """cWC: y = (K + K_c)^T x + b + b_c."""
    common, conditional = at_random(Coloring(dtype="float64")), make("coloring")
    kernel = common.kernel.numpy() + conditional.kernel.numpy()
    bias = common.bias.numpy() + conditional.bias.numpy()
    both = common(X) + conditional(X, LABELS)
    np.testing.assert_allclose(both, expected("coloring", X, kernel, bias), atol=1e-13)


def test_conditional_scale_and_shift_on_top_of_the_common_one():
    common, conditional = at_random(CenterScale(dtype="float64")), make("center_scale")
    gamma = common.gamma.numpy() + conditional.gamma.numpy()
    beta = common.beta.numpy() + conditional.beta.numpy()
    both = common(X) + conditional(X, LABELS)
    np.testing.assert_allclose(both, expected("center_scale", X, gamma, beta), atol=1e-13)


@pytest.mark.parametrize(
    "layer, limits",
    [
        (ConditionalColoring(10), {"kernel": np.sqrt(6 / (10 * 2 * 64))}),
        (
            FactorizedColoring(50, 4),
            {"kernel": np.sqrt(6 / (4 * 2 * 64)), "class_matrix": np.sqrt(6 / (50 + 4))},
        ),
    ],
    ids=["coloring", "factorized_coloring"],
)
def test_starts_as_in_the_authors_code(layer, limits):
    """Glorot's limit, of which Keras takes the classes or the shared matrices for positions."""
    layer.build((None, 64))
    for name, limit in limits.items():
        values = getattr(layer, name).numpy()
        assert 0.9 * limit < np.abs(values).max() <= limit
        # A uniform distribution's deviation, with 4 standard errors of that many numbers.
        assert np.isclose(values.std(), limit / np.sqrt(3), rtol=4 / np.sqrt(values.size))
    if hasattr(layer, "bias"):
        np.testing.assert_array_equal(layer.bias, np.zeros((10, 64)))


@pytest.mark.parametrize("length", [1e-4, 1e4])
def test_the_length_of_factors_does_not_matter(length):
    layer = make("factorized_coloring")
    before = layer(X, LABELS)
    layer.class_matrix.assign(length * layer.class_matrix)
    np.testing.assert_allclose(layer(X, LABELS), before, rtol=1e-10)


def test_factors_of_no_length_are_0():
    layer = make("factorized_coloring")
    layer.class_matrix.assign(np.zeros(layer.class_matrix.shape))
    with tf.GradientTape() as tape:
        y = layer(X, LABELS)
    np.testing.assert_array_equal(y, np.zeros(X.shape))
    assert np.isfinite(tape.gradient(y, layer.class_matrix.value)).all()


@every_layer
def test_gradients_that_add_up_over_a_class_reach_adam(name):
    """Keras' Adam takes the squares of a sparse gradient's parts, so that they must be dense."""
    layer = make(name)
    optimizer = keras.optimizers.Adam(0.1)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(X, LABELS) * DY)
    weight_gradients = tape.gradient(loss, [weight.value for weight in layer.trainable_weights])
    optimizer.apply(weight_gradients, layer.trainable_weights)
    for gradient, velocity in zip(weight_gradients, optimizer._velocities, strict=True):
        truth = 0.001 * tf.convert_to_tensor(gradient) ** 2
        np.testing.assert_allclose(velocity, truth, rtol=1e-6, atol=1e-12)


@every_layer
def test_a_step_moves_the_classes_that_have_samples(name):
    inputs = [keras.Input(X.shape[1:]), keras.Input((1,), dtype="int32")]
    model = keras.Model(inputs, LAYERS[name][0]()(*inputs))
    model.compile(keras.optimizers.SGD(0.1), "mse")
    before = model.get_weights()
    model.fit([X, LABELS[:, np.newaxis]], DY, batch_size=len(X), verbose=0)
    for value, kept in zip(model.get_weights(), before, strict=True):
        moved = np.any(value != kept, axis=tuple(range(1, value.ndim)))
        is_shared = len(value) != CLASSES  # the shared matrices
        np.testing.assert_array_equal(moved, is_shared | np.isin(np.arange(len(value)), LABELS))


def test_regularizers_and_constraints_reach_the_weights():
    layer = FactorizedColoring(
        CLASSES,
        2,
        kernel_regularizer=keras.regularizers.L2(0.5),
        class_matrix_regularizer=keras.regularizers.L2(0.25),
        class_matrix_constraint="non_neg",
    )
    at_random(layer)
    weights = [0.5 * np.sum(layer.kernel**2), 0.25 * np.sum(layer.class_matrix**2)]
    assert np.isclose(sum(layer.losses), sum(weights))
    assert isinstance(layer.class_matrix.constraint, keras.constraints.NonNeg)
