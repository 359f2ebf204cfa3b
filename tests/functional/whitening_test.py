"""Whitening matrices of given covariances against SciPy, and their gradients."""

import numpy as np
import pytest
import scipy.linalg
import tensorflow as tf

from tests import gradients, reference, samples
from tfnorm.functional import WHITENERS, batch_whitening, whitening_matrix
from tfnorm.functional.batch_whitening import initial_statistics

EIGENVALUES = np.array([3.0, 1.5, 0.8, 0.25, 0.1])
SIGMA = samples.covariance(EIGENVALUES)
EPSILON = 0.01
SHIFTED = SIGMA + EPSILON * np.eye(5)


def matrix(sigma, method, dtype="float64", **options):
    return whitening_matrix(tf.constant(sigma, dtype), method, **options).numpy()


def test_the_reference_has_the_methods_of_the_table():
    assert sorted(WHITENERS) == sorted(reference.WHITENERS)


@pytest.mark.parametrize(
    "function",
    [
        lambda x, method: whitening_matrix(x, method),
        lambda x, method: batch_whitening(x, None, None, method=method)[0],
    ],
)
def test_a_method_that_there_is_not(function):
    with pytest.raises(ValueError, match=r"one of \['cd', .*'zca'\]\. Received: method='svd'"):
        function(tf.constant(SIGMA), "svd")


def test_a_row_that_is_added_is_a_method(monkeypatch):
    """The functions look the method up in the table, and use its row."""

    def half(covariance, settings):
        w = 0.5 * tf.eye(5, batch_shape=covariance.shape[:-2], dtype=covariance.dtype)
        return w, lambda gradient: 0.0 * gradient

    monkeypatch.setitem(WHITENERS, "half", WHITENERS["cd"]._replace(function=half))
    np.testing.assert_array_equal(matrix(SIGMA, "half"), 0.5 * np.eye(5))
    x = samples.rows(8, EIGENVALUES, mean=1.0)
    y = batch_whitening(tf.constant(x), None, None, method="half")[0]
    np.testing.assert_allclose(y, 0.5 * (x - x.mean(0)), atol=1e-13)


def test_what_moving_averages_start_from():
    """Independent channels of given variances: their covariance, and the matrix that whitens it."""
    variances = np.array([[4.0, 1.0, 0.25], [9.0, 16.0, 1.0]])
    covariances = initial_statistics(tf.constant(variances), "covariance", 0.5).numpy()
    np.testing.assert_array_equal(covariances, [np.diag(row) for row in variances])
    for w, covariance in zip(
        initial_statistics(tf.constant(variances), "matrix", 0.5).numpy(), covariances, strict=True
    ):
        bounded = np.maximum(covariance, 0.5 * np.eye(3))
        np.testing.assert_allclose(w @ bounded @ w.T, np.eye(3), atol=1e-14)


def test_zca_is_the_inverse_of_scipys_square_root():
    expected = np.linalg.inv(scipy.linalg.sqrtm(SHIFTED))
    np.testing.assert_allclose(matrix(SIGMA, "zca", epsilon=EPSILON), expected, atol=1e-12)


def test_cd_is_the_inverse_of_scipys_lower_cholesky_factor():
    expected = np.linalg.inv(scipy.linalg.cholesky(SHIFTED, lower=True))
    np.testing.assert_allclose(matrix(SIGMA, "cd", epsilon=EPSILON), expected, atol=1e-12)


def test_pca_is_scipys_eigenvectors_over_roots_in_ascending_order():
    values, u = scipy.linalg.eigh(SHIFTED)
    w = matrix(SIGMA, "pca", epsilon=EPSILON)
    np.testing.assert_allclose(
        reference.aligned(w, u.T) * np.sqrt(values)[:, None], u.T, atol=1e-12
    )


@pytest.mark.parametrize("iterations", [1, 2, 5, 7])
def test_itn_is_the_printed_algorithm(iterations):
    w = matrix(SIGMA, "itn", epsilon=EPSILON, iterations=iterations)
    expected = reference.itn_as_printed(SHIFTED, iterations)
    np.testing.assert_allclose(w, expected, atol=1e-11)


def test_itn_tends_to_zca():
    w = matrix(SIGMA, "itn", epsilon=EPSILON, iterations=14)
    np.testing.assert_allclose(w, matrix(SIGMA, "zca", epsilon=EPSILON), atol=1e-10)


@pytest.mark.parametrize("method", WHITENERS)
def test_leading_axes_hold_independent_matrices(method):
    stack = np.stack([samples.covariance(EIGENVALUES * k, seed=k) for k in range(1, 7)])
    expected = [matrix(sigma, method) for sigma in stack]
    w = matrix(stack.reshape(2, 3, 5, 5), method)
    np.testing.assert_allclose(w.reshape(6, 5, 5), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    "method, iterations",
    [("pca", 5), ("zca", 5), ("cd", 5), *(("itn", steps) for steps in (1, 2, 3, 5, 14))],
)
def test_gradient(method, iterations):
    dw = np.random.default_rng(1).normal(size=(5, 5))
    like = matrix(SIGMA, method, iterations=iterations)

    def loss(sigma):
        # The gradient of a function of symmetric matrices is symmetric.
        shifted = (sigma + sigma.T) / 2 + 1e-3 * np.eye(5)
        w = reference.WHITENERS[method](shifted, iterations)
        return np.sum(dw * (reference.aligned(w, like) if method == "pca" else w))

    _, (gradient,) = gradients.by_tape(
        lambda sigma: whitening_matrix(sigma, method, iterations=iterations), [SIGMA], dw
    )
    truth = gradients.by_differences(loss, SIGMA)
    assert gradients.relative_error(gradient, truth) < 1e-8


@pytest.mark.parametrize("method", ["zca", "itn", "cd"])
def test_gradient_at_the_identity(method):
    """Where all eigenvalues are equal, and autodiff of eigh has 0/0 off the diagonal."""
    dw = np.random.default_rng(1).normal(size=(4, 4))
    _, (gradient,) = gradients.by_tape(
        lambda sigma: whitening_matrix(sigma, method, epsilon=0.0), [np.eye(4)], dw
    )
    truth = gradients.by_differences(
        lambda s: np.sum(dw * reference.WHITENERS[method]((s + s.T) / 2)), np.eye(4)
    )
    assert gradients.relative_error(gradient, truth) < 1e-8


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("method", WHITENERS)
def test_a_matrix_that_is_not_finite_spoils_itself_alone(method, value):
    stack = np.stack([SIGMA, SIGMA, np.eye(5)])
    stack[1, 2, 3] = stack[1, 3, 2] = value
    w = matrix(stack, method)
    assert not np.isfinite(w[1]).any()
    np.testing.assert_allclose(w[[0, 2]], matrix(stack[[0, 2]], method), rtol=1e-12)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("method", WHITENERS)
def test_float32_survives_low_rank_at_any_scale(method, scale):
    """Rounding leaves eigenvalues below -epsilon at a large scale: still finite, and not huge."""
    x = np.random.default_rng(3).normal(size=(4, 24)) * np.sqrt(scale)
    sigma = reference.covariance(x)
    w = matrix(sigma, method, "float32")
    assert np.isfinite(w).all()
    assert np.abs(w).max() < 1.01 / np.sqrt(1e-3)
