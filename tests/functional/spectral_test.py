"""Power iteration against SVD, and its gradient."""

import numpy as np
import pytest
import tensorflow as tf

from tests import gradients, samples
from tfnorm.functional import spectral_norm

SINGULAR_VALUES = np.array([3.0, 1.5, 0.7, 0.2])
W = samples.rotation(6)[:, :4] * SINGULAR_VALUES @ samples.rotation(4, seed=1).T
U = np.random.default_rng(2).normal(size=6)


def test_one_iteration_is_algorithm_1():
    v = W.T @ U / np.linalg.norm(W.T @ U)
    u = W @ v / np.linalg.norm(W @ v)
    sigma, vector = spectral_norm(tf.constant(W), tf.constant(U))
    assert np.isclose(sigma, u @ W @ v, rtol=1e-14)
    np.testing.assert_allclose(vector, u, rtol=1e-13)


@pytest.mark.parametrize("iterations", [1, 2, 5])
def test_iterations_are_calls_that_pass_the_vector_on(iterations):
    vector = tf.constant(U)
    for _ in range(iterations):
        expected, vector = spectral_norm(tf.constant(W), vector)
    sigma, at_once = spectral_norm(tf.constant(W), tf.constant(U), iterations)
    assert np.isclose(sigma, expected, rtol=1e-13)
    np.testing.assert_allclose(at_once, vector, rtol=1e-13)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 1), (1, 5)])
def test_converges_to_the_largest_singular_value(shape):
    w = np.random.default_rng(0).normal(size=shape)
    sigma, u = spectral_norm(tf.constant(w), tf.ones([shape[0]], tf.float64), iterations=200)
    left, values, _ = np.linalg.svd(w, full_matrices=False)
    assert np.isclose(sigma, values[0], rtol=1e-10)
    assert np.isclose(np.abs(u.numpy() @ left[:, 0]), 1.0, rtol=1e-10)


def test_no_iterations_keep_the_direction():
    sigma, u = spectral_norm(tf.constant(W), tf.constant(U), iterations=0)
    np.testing.assert_allclose(u, U / np.linalg.norm(U), rtol=1e-14)
    assert np.isclose(sigma, np.linalg.norm(W.T @ U) / np.linalg.norm(U), rtol=1e-13)


@pytest.mark.parametrize("iterations", [0, 1, 3])
def test_gradient_holds_the_vectors(iterations):
    """d sigma / dW = u v^T of the iteration so far, not of the singular vectors."""
    _, u = spectral_norm(tf.constant(W), tf.constant(U), max(iterations - 1, 0))
    u = u.numpy()
    v = W.T @ u / np.linalg.norm(W.T @ u)
    if iterations:
        u = W @ v / np.linalg.norm(W @ v)
    _, (gradient,) = gradients.by_tape(
        lambda w: spectral_norm(w, tf.constant(U), iterations)[0], [W], 1.0
    )
    np.testing.assert_allclose(gradient, np.outer(u, v), atol=1e-13)


def test_gradient_at_convergence_is_that_of_the_norm():
    _, (gradient,) = gradients.by_tape(lambda w: spectral_norm(w, tf.constant(U), 100)[0], [W], 1.0)
    truth = gradients.by_differences(lambda w: np.linalg.norm(w, 2), W)
    assert gradients.relative_error(gradient, truth) < 1e-9


@pytest.mark.parametrize("iterations", [0, 1, 3])
def test_a_stack_is_its_matrices(iterations):
    rng = np.random.default_rng(0)
    matrices, vectors = rng.normal(size=(2, 3, 6, 4)), rng.normal(size=(2, 3, 6))
    sigmas, found = spectral_norm(tf.constant(matrices), tf.constant(vectors), iterations)
    assert sigmas.shape == (2, 3)
    for i in np.ndindex(2, 3):
        sigma, u = spectral_norm(tf.constant(matrices[i]), tf.constant(vectors[i]), iterations)
        assert np.isclose(sigmas[i], sigma, rtol=1e-13)
        np.testing.assert_allclose(found[i], u, rtol=1e-13)


@pytest.mark.parametrize("scale", [1e-12, 1e-8, 1e8, 1e12])
def test_scale_of_the_matrix(scale):
    """In float32: W / sigma does not depend on it, however small W has become."""
    w, u = W.astype(np.float32), tf.constant(U, tf.float32)
    sigma, vector = spectral_norm(tf.constant(w * np.float32(scale)), u, 3)
    expected, expected_vector = spectral_norm(tf.constant(w), u, 3)
    assert np.isclose(sigma / scale, expected, rtol=1e-5)
    np.testing.assert_allclose(vector, expected_vector, rtol=1e-4, atol=1e-6)


def test_a_zero_matrix_has_norm_0():
    sigma, u = spectral_norm(tf.zeros([3, 2]), tf.ones([3]))
    assert sigma == 0
    np.testing.assert_array_equal(u, np.zeros(3))
