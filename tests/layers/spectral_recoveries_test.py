"""SpectralNormalization of recoveries: in groups, diagonal, and called with labels."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import gradients, samples
from tfnorm import (
    CenterScale,
    Coloring,
    ConditionalCenterScale,
    ConditionalColoring,
    SpectralNormalization,
)

RNG = np.random.default_rng(0)
X, LABELS = RNG.normal(size=(3, 2, 4)), np.array([2, 0, 2])


@pytest.mark.parametrize("largest", range(3))
def test_groups_are_one_map(largest):
    """Sigma is that of the block-diagonal matrix, whichever group it is that has it."""
    sigmas = np.where(np.arange(3) == largest, 7.0, 4.0)
    blocks = [
        samples.covariance([sigma, 2.0, 1.0][:size], seed=i) @ samples.rotation(size, seed=9 + i)
        for i, (sigma, size) in enumerate(zip(sigmas, (3, 3, 2), strict=True))
    ]
    bare = Coloring(3, use_bias=False, dtype="float64")
    layer = SpectralNormalization(bare, power_iterations=60, dtype="float64")
    layer.build((None, 8))
    bare.kernel.assign(blocks[:2])
    bare.kernel_last.assign(blocks[2:])
    assert layer.vector.shape == (2, 3)
    assert layer.vector_last.shape == (2,)
    whole = np.zeros((8, 8))
    for start, block in zip((0, 3, 6), blocks, strict=True):
        whole[start : start + len(block), start : start + len(block)] = block
    assert np.isclose(np.linalg.norm(whole, 2), 7.0)
    x, dy = RNG.normal(size=(2, 5, 8))
    weights = [weight.value for weight in layer.trainable_weights]
    with tf.GradientTape() as tape:
        y = layer(x, training=True)
    kernel_gradients = tape.gradient(y, weights, output_gradients=dy)
    np.testing.assert_allclose(y, x @ whole / 7.0, atol=1e-12)
    truth = gradients.by_differences(lambda w: np.sum(dy * (x @ (w / np.linalg.norm(w, 2)))), whole)
    for gradient, start in zip(
        [*kernel_gradients[0], *kernel_gradients[1]], (0, 3, 6), strict=True
    ):
        part = truth[start : start + len(gradient), start : start + len(gradient)]
        np.testing.assert_allclose(gradient, part, atol=1e-9)


@pytest.mark.parametrize("conditional", [False, True])
def test_scales_are_divided_by_the_largest(conditional):
    """Exactly, without iterations, in inference too; of each class where there are classes."""
    bare, labels = CenterScale(dtype="float64"), []
    if conditional:
        bare, labels = ConditionalCenterScale(3, dtype="float64"), [LABELS]
    layer = SpectralNormalization(bare, dtype="float64")
    layer(X, *labels)
    gamma, beta = (RNG.normal(size=weight.shape) for weight in (bare.gamma, bare.beta))
    bare.set_weights([gamma, beta])
    assert layer.non_trainable_weights == []
    dy = RNG.normal(size=X.shape)

    def output(gamma):
        rows = gamma / np.abs(gamma).max(-1, keepdims=True)
        rows, shifts = (v[LABELS][:, None] if conditional else v for v in (rows, beta))
        return rows * X + shifts

    for training in (False, True):
        with tf.GradientTape() as tape:
            y = layer(X, *labels, training=training)
        gradient = tape.gradient(y, bare.gamma.value, output_gradients=dy)
        np.testing.assert_allclose(y, output(gamma), atol=1e-13)
        truth = gradients.by_differences(lambda g: np.sum(dy * output(g)), gamma)
        np.testing.assert_allclose(gradient, truth, atol=1e-9)
    np.testing.assert_array_equal(bare.gamma.numpy(), gamma)


def test_a_zero_scale_gives_a_finite_output_and_gradient():
    bare = ConditionalCenterScale(3, gamma_initializer="zeros")
    layer = SpectralNormalization(bare)
    with tf.GradientTape() as tape:
        y = layer(X, LABELS, training=True)
    gradient = tape.gradient(y, bare.gamma.value)
    np.testing.assert_array_equal(y, np.zeros(X.shape))
    assert np.isfinite(gradient.numpy()).all()


@pytest.mark.parametrize("by_name", [False, True])
def test_labels_reach_the_layer_of_a_functional_model(by_name):
    x, labels = keras.Input((2, 4)), keras.Input((), dtype="int32")
    layer = SpectralNormalization(ConditionalColoring(3))
    y = layer(x, labels=labels) if by_name else layer(x, labels)
    model = keras.Model([x, labels], y)
    assert model.output_shape == (None, 2, 4)
    inputs = [X.astype(np.float32), LABELS]
    np.testing.assert_array_equal(model(inputs), layer(*inputs))
    with pytest.raises(ValueError, match="Received: labels.dtype=float32"):
        SpectralNormalization(ConditionalColoring(3))(x, keras.Input(()))
