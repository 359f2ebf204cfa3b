"""Roots of matrices against SciPy, their gradients against differences."""

import numpy as np
import pytest
import scipy.linalg
import tensorflow as tf

from tests import gradients
from tfnorm.functional import cholesky_whitening, inverse_sqrt, sqrt

RNG = np.random.default_rng(0)
_ROWS = RNG.normal(size=(3, 20, 5)) * np.linspace(1.0, 3.0, 5)
MATRICES = np.swapaxes(_ROWS, 1, 2) @ _ROWS / 20
# All eigenvalues distinct, two equal ones, and all equal.
EQUAL = np.stack([MATRICES[0, :3, :3], np.diag([2.0, 2.0, 1.0]), np.eye(3)])


def scipys_inverse(matrix):
    return np.linalg.inv(scipy.linalg.sqrtm(matrix))


ROOTS = {"sqrt": (sqrt, scipy.linalg.sqrtm), "inverse_sqrt": (inverse_sqrt, scipys_inverse)}
both = pytest.mark.parametrize("function, truth", ROOTS.values(), ids=ROOTS)


@both
@pytest.mark.parametrize("epsilon", [0.0, 0.1])
def test_values(function, truth, epsilon):
    found = function(tf.constant(MATRICES), epsilon=epsilon)
    expected = np.stack([truth(matrix + epsilon * np.eye(5)) for matrix in MATRICES])
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


@both
@pytest.mark.parametrize("scaling", ["trace", "frobenius", "spectral"])
def test_newton_comes_to_the_root(function, truth, scaling):
    found = function(tf.constant(MATRICES), "newton", iterations=25, scaling=scaling)
    expected = np.stack([truth(matrix) for matrix in MATRICES])
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)


def test_cholesky():
    found = cholesky_whitening(tf.constant(MATRICES), epsilon=0.1)
    factors = np.linalg.cholesky(MATRICES + 0.1 * np.eye(5))
    np.testing.assert_allclose(found, np.linalg.inv(factors), rtol=1e-10, atol=1e-12)


def symmetric(function):
    """Of the symmetric part, so that differences of single entries mean the same."""
    return lambda a: function(0.5 * (a + tf.linalg.matrix_transpose(a)))


@both
@pytest.mark.parametrize("method", ["eigh", "newton"])
def test_gradients(function, truth, method):
    matrices = EQUAL
    own = tf.function(symmetric(lambda a: function(a, method, iterations=4)))
    dy, v = RNG.normal(size=(2, *matrices.shape))
    _, (found,) = gradients.by_tape(own, [matrices], dy)
    expected = gradients.by_differences(
        lambda a: np.sum(dy * own(tf.constant(a)).numpy()), matrices
    )
    assert gradients.relative_error(found, expected) < 1e-8

    @tf.function
    def first(a):
        with tf.GradientTape() as tape:
            tape.watch(a)
            y = own(a)
        return tape.gradient(y, a, output_gradients=tf.constant(dy))

    _, (second,) = gradients.by_tape(first, [matrices], v)
    expected = gradients.by_differences(
        lambda a: np.sum(v * first(tf.constant(a)).numpy()), matrices
    )
    assert gradients.relative_error(second, expected) < 1e-6


def test_singular_matrices():
    x = RNG.normal(size=(3, 6)).astype(np.float32)
    matrix = tf.constant(x.T @ x)
    with tf.GradientTape() as tape:
        tape.watch(matrix)
        root = sqrt(matrix)
    expected = scipy.linalg.sqrtm((x.T @ x).astype(np.float64)).real
    np.testing.assert_allclose(root, expected, atol=2e-3)
    assert np.isfinite(tape.gradient(root, matrix)).all()
    assert np.isfinite(inverse_sqrt(matrix)).all()


@pytest.mark.parametrize("method", ["eigh", "newton"])
def test_the_root_of_zeros_is_zeros(method):
    matrices = np.array([np.zeros((3, 3)), np.eye(3)])
    np.testing.assert_allclose(sqrt(matrices, method), matrices, atol=1e-12)
    dy, v = RNG.normal(size=(2, 2, 3, 3))

    def first(a):
        with tf.GradientTape() as tape:
            tape.watch(a)
            y = sqrt(a, method)
        return tape.gradient(y, a, output_gradients=tf.constant(dy))

    found, (second,) = gradients.by_tape(first, [matrices], v)
    assert not np.any([found[0], second[0]])
    alone, (second_alone,) = gradients.by_tape(
        lambda a: first(tf.concat([a, a], 0))[1:], [matrices[1:]], v[1:]
    )
    np.testing.assert_allclose(found[1:], alone)
    np.testing.assert_allclose(second[1:], second_alone)


def test_a_second_derivative_that_was_not_asked_for_is_refused():
    matrix = tf.constant(MATRICES)

    def second(derivatives):
        with tf.GradientTape() as outer:
            outer.watch(matrix)
            with tf.GradientTape() as tape:
                tape.watch(matrix)
                root = sqrt(matrix, derivatives=derivatives)
                loss = tf.reduce_sum(root**3)
            first = tape.gradient(loss, matrix)
        return outer.gradient(first, matrix)

    assert np.isfinite(second(2)).all()
    with pytest.raises(LookupError, match="must be asked for"):
        second(1)


def test_arrays_are_taken():
    for function in (sqrt, inverse_sqrt, cholesky_whitening):
        np.testing.assert_allclose(function(np.eye(2)), np.eye(2), atol=1e-12)


def test_what_is_not_finite_spoils_itself_alone():
    matrices = MATRICES.copy()
    matrices[1, 0, 0] = np.nan
    found = sqrt(tf.constant(matrices)).numpy()
    np.testing.assert_allclose(found[[0, 2]], sqrt(tf.constant(MATRICES)).numpy()[[0, 2]])
    assert np.isnan(found[1]).all()


@pytest.mark.parametrize(
    "action, said",
    [
        (lambda: sqrt(tf.ones([3, 2])), r"\(..., c, c\). Received: matrix.shape=\(3, 2\)"),
        (lambda: inverse_sqrt(tf.ones([3])), r"Received: matrix.shape=\(3,\)"),
        (lambda: cholesky_whitening(tf.ones([3, 2])), "Received: matrix.shape"),
        (lambda: sqrt(tf.eye(3), "svd"), "must be 'eigh' or 'newton'. Received: method='svd'"),
        (lambda: sqrt(tf.eye(3), "newton", scaling="max"), "Received: scaling='max'"),
    ],
)
def test_what_is_refused(action, said):
    with pytest.raises(ValueError, match=said):
        action()
