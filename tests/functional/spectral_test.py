"""Largest singular values against SVD, and their gradients."""

import numpy as np
import pytest
import tensorflow as tf

from tests import gradients, samples
from tfnorm.functional import spectral, spectral_norm

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
    sigmas, left_vectors = spectral_norm(tf.constant(matrices), tf.constant(vectors), iterations)
    assert sigmas.shape == (2, 3)
    for i in np.ndindex(2, 3):
        sigma, u = spectral_norm(tf.constant(matrices[i]), tf.constant(vectors[i]), iterations)
        assert np.isclose(sigmas[i], sigma, rtol=1e-13)
        np.testing.assert_allclose(left_vectors[i], u, rtol=1e-13)


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


def test_a_diagonal_map_has_its_largest_entry():
    diagonals = np.array([[1.0, -3.0, 2.0], [0.5, 0.0, -0.25]])
    norms = [np.linalg.norm(np.diag(row), 2) for row in diagonals]
    np.testing.assert_array_equal(spectral.diagonal_norm(tf.constant(diagonals)), norms)


# The number of a block on the diagonal, and its size.
BLOCKS = [(0, 2), (1, 2), (2, 3)]


@pytest.mark.parametrize("largest", range(3))
def test_a_map_of_blocks_has_the_largest_of_theirs(largest):
    blocks = [samples.rotation(size) * (5.0 if i == largest else 2.0) for i, size in BLOCKS]
    whole = np.zeros((7, 7))
    whole[:2, :2], whole[2:4, 2:4], whole[4:, 4:] = blocks
    sigmas = [np.linalg.norm(block, 2) for block in blocks]
    joint = spectral.joint_norm([tf.constant(sigmas[:2]), tf.constant(sigmas[2])])
    assert joint.shape == ()
    assert np.isclose(joint, np.linalg.norm(whole, 2), rtol=1e-14)


@pytest.mark.parametrize("sigma", [2.0, [2.0, 4.0, 0.0]])
def test_division_by_one_norm_or_by_one_for_each_map(sigma):
    weight = np.random.default_rng(0).normal(size=(3, 4, 2))
    divided = spectral.divide_by_norm(tf.constant(weight), tf.constant(sigma, tf.float64))
    sigmas = np.broadcast_to(sigma, 3)
    expected = [w / s if s else 0 * w for w, s in zip(weight, sigmas, strict=True)]
    np.testing.assert_array_equal(divided, expected)


def test_a_vector_that_was_lost_is_the_last_one():
    before = np.array([[0.6, 0.8], [1.0, 0.0], [0.0, -1.0], [0.8, 0.6]])
    after = np.array([[0.0, 1.0], [0.0, 0.0], [np.nan, 1.0], [-1.0, 0.0]])
    kept = spectral.next_vector(tf.constant(before), tf.constant(after))
    np.testing.assert_array_equal(kept, [after[0], before[1], before[2], after[3]])


@pytest.mark.parametrize("size", [1e-30, 1e-20, 1e20, 1e30])
def test_matrices_of_any_size_in_float32(size):
    """Squares of their entries are no float32."""
    sigma, u = spectral_norm(tf.constant(W * size, tf.float32), tf.constant(U, tf.float32), 50)
    assert np.isclose(sigma.numpy() / size, 3.0, rtol=1e-5)
    assert np.isclose(np.linalg.norm(u), 1.0, rtol=1e-5)
